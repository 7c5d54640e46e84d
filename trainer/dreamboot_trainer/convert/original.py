"""diffusers folder -> one checkpoint in the original layout: .safetensors, or .ckpt by the name's ending."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dreamboot_trainer.convert import plan, schedule, webui
from dreamboot_trainer.convert.atomic import keep_source, new_file
from dreamboot_trainer.convert.catalogue import EXTRAS_FILE, Catalogue, catalogue, open_component, open_in, read_json
from dreamboot_trainer.convert.ckpt import ENDING, TIMES, write_ckpt
from dreamboot_trainer.convert.detect import family_of_folder
from dreamboot_trainer.convert.families import Family
from dreamboot_trainer.convert.faults import wrong_family
from dreamboot_trainer.convert.planned import Planned
from dreamboot_trainer.convert.report import Counter, Progress, Report
from dreamboot_trainer.convert.writer import total_bytes, write

CONFIGS_KEY = "dreamboot.configs"
"""Metadata entry that carries the component configs, so that a file of ours converts back to the very same folder."""

_DROPPED_CONFIG_KEYS = ("_diffusers_version", "_name_or_path", "transformers_version")


@dataclass(frozen=True)
class _Job:
    """All that will be written."""

    family: Family
    tensors: tuple[Planned, ...]
    metadata: Mapping[str, str]
    yaml: str
    notes: tuple[str, ...]


def to_original(
    folder: Path,
    out: Path,
    *,
    dtype: str = "float16",
    family: str | None = None,
    overwrite: bool = True,
    dry_run: bool = False,
    progress: Progress | None = None,
) -> Report:
    """Write the SD 1.x, 2.x or SDXL model in `folder` to the file `out`, for the web UI and ComfyUI.

    `dtype`: float16, bfloat16, float32 or keep (each tensor as it is); integers and the noise schedule keep theirs.
    `family` (sd1, sd2, sdxl): refuse a model of another one.
    A name that ends in .ckpt gets `torch.save` of {"state_dict": tensors}, anything else a safetensors file.
    Memory: a few MiB, whatever the model's size. With `overwrite` an older `out` is replaced at the very end. The file
    is whole or absent, also after a kill. Raises TrainerError; then nothing was written and nothing was changed.
    """
    started, folder, out = time.monotonic(), Path(folder), Path(out)
    keep_source(folder, out)
    with ExitStack() as stack:
        job = _prepare(stack, folder, dtype, family)
        size = total_bytes(job.tensors, job.metadata)
        config = out.with_suffix(".yaml") if job.yaml else None
        if not dry_run:
            pickled = out.suffix == ENDING
            with new_file(out, size * (TIMES if pickled else 1), overwrite=overwrite) as partial:
                if config is not None:
                    with new_file(config, len(job.yaml), overwrite=overwrite) as text:
                        text.write_text(job.yaml, encoding="utf-8")
                counter = Counter(progress, size)
                if pickled:
                    write_ckpt(partial, job.tensors, counter)
                else:
                    write(partial, job.tensors, job.metadata, counter)
    return Report(
        family=job.family.name,
        tensors=len(job.tensors),
        bytes=size,
        seconds=time.monotonic() - started,
        source=folder,
        output=out,
        files=(out,) if config is None else (out, config),
        notes=job.notes,
        dry_run=dry_run,
    )


def _prepare(stack: ExitStack, folder: Path, wish: str, expected: str | None) -> _Job:
    family = family_of_folder(folder)
    if expected is not None and expected != family.name:
        raise wrong_family(folder, expected, family.name)
    configs = {part.folder: read_json(folder / part.folder / "config.json") for part in family.components}
    scheduler = read_json(folder / "scheduler" / "scheduler_config.json")
    kept = _kept(stack, folder)
    tensors: list[Planned] = []
    notes: list[str] = []
    for part in family.components:
        config = configs[part.folder]
        found = open_component(stack, folder, part)
        own = plan.to_original(folder, part.folder, part.prefixed_pairs(config), found, wish)
        more, reasons = plan.extras(part.extras(config), kept, own)
        tensors += own + more
        notes += [f"Filled in: {reason}." for reason in reasons]
    for name, content in (schedule.buffers(scheduler) if family.has_schedule else {}).items():
        tensors.append(Planned(name, "F32", (len(content) // 4,), constant=content))
    tensors += webui.marker_tensors(family.name, scheduler)
    yaml = webui.config_text(family.name, configs, scheduler)
    metadata = _metadata(family, folder, {**configs, "scheduler": scheduler})
    return _Job(family, tuple(tensors), metadata, yaml, tuple(notes))


def _kept(stack: ExitStack, folder: Path) -> Catalogue:
    path = folder / EXTRAS_FILE
    return catalogue([open_in(stack, path)], str) if path.is_file() else {}


def _metadata(family: Family, folder: Path, configs: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
    """Source of the modelspec keys: Stability-AI/ModelSpec, version 1.0.0."""
    pixels = configs["unet"].get("sample_size", 64)
    side = pixels * 2 ** (len(configs["vae"]["block_out_channels"]) - 1) if isinstance(pixels, int) else 512
    v_prediction = configs["scheduler"].get("prediction_type") == "v_prediction"
    plain = {part: {k: v for k, v in c.items() if k not in _DROPPED_CONFIG_KEYS} for part, c in configs.items()}
    return {
        "format": "pt",
        "modelspec.sai_model_spec": "1.0.0",
        "modelspec.architecture": family.architecture,
        "modelspec.title": folder.resolve().name,
        "modelspec.resolution": f"{side}x{side}",
        "modelspec.prediction_type": "v" if v_prediction else "epsilon",
        CONFIGS_KEY: json.dumps(plain, sort_keys=True, separators=(",", ":")),
    }
