"""One checkpoint in the original layout -> diffusers folder."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dreamboot_trainer.convert import plan, schedule, tokenizer
from dreamboot_trainer.convert.atomic import keep_source, new_folder
from dreamboot_trainer.convert.catalogue import EXTRAS_FILE, Catalogue, Located, open_in
from dreamboot_trainer.convert.configs import configs_for, model_index
from dreamboot_trainer.convert.detect import family_of_names
from dreamboot_trainer.convert.families import FAMILIES, Family
from dreamboot_trainer.convert.faults import no_ema, some, wrong_family
from dreamboot_trainer.convert.planned import Planned
from dreamboot_trainer.convert.report import Counter, Progress, Report
from dreamboot_trainer.convert.sources import Source
from dreamboot_trainer.convert.writer import total_bytes, write

_METADATA = {"format": "pt"}
_EMA = "model_ema."
_EMA_COUNTERS = 2
"""decay and num_updates, which files without averaged weights hold too."""
_RECOMPUTED = frozenset({*schedule.NAMES, "v_pred", "ztsnr"})


@dataclass(frozen=True)
class _Job:
    """All that will be written, by file name below the output folder."""

    family: Family
    weights: Mapping[str, tuple[Planned, ...]]
    texts: Mapping[str, str]
    notes: tuple[str, ...]


def from_original(
    checkpoint: Path,
    out_dir: Path,
    *,
    family: str | None = None,
    use_ema: bool = False,
    dtype: str = "keep",
    config_dir: Path | None = None,
    tokenizer_dir: Path | None = None,
    overwrite: bool = False,
    dry_run: bool = False,
    progress: Progress | None = None,
) -> Report:
    """Write the SD 1.x, 2.x or SDXL model in `checkpoint` (.safetensors or .ckpt) as the diffusers folder `out_dir`.

    `family`: sd1, sd2 or sdxl; None = by the tensor names. `use_ema`: the UNet's averaged weights. `dtype`: keep,
    float16, bfloat16 or float32. `config_dir`: a diffusers folder whose configs, scheduler and tokenizer to take;
    without it the configs come from the file's metadata if it is dreamboot's own, else from the published model's
    configs and the tensors' shapes. `tokenizer_dir`: a tokenizer folder; without it the demo model's, if it fits.
    Raises TrainerError; then nothing was written. An older `out_dir` is replaced only with `overwrite`.
    """
    started, checkpoint, out_dir = time.monotonic(), Path(checkpoint), Path(out_dir)
    keep_source(checkpoint, out_dir)
    with ExitStack() as stack:
        source = open_in(stack, checkpoint)
        job = _prepare(source, family, use_ema=use_ema, dtype=dtype, config_dir=config_dir)
        encoder = json.loads(job.texts["text_encoder/config.json"])
        tokenizers = tokenizer.find(job.family, encoder, config_dir, tokenizer_dir)
        size = sum(total_bytes(tensors, _METADATA) for tensors in job.weights.values())
        if not dry_run:
            with new_folder(out_dir, size, overwrite=overwrite) as partial:
                moved = Counter(progress, size)
                for name, text in job.texts.items():
                    (partial / name).parent.mkdir(exist_ok=True)
                    (partial / name).write_text(text, encoding="utf-8")
                for name, (folder, padding) in tokenizers.items():
                    tokenizer.copy(folder, partial / name, padding)
                for name, tensors in job.weights.items():
                    write(partial / name, tensors, _METADATA, moved)
    return Report(
        family=job.family.name,
        tensors=sum(len(tensors) for tensors in job.weights.values()),
        bytes=size,
        seconds=time.monotonic() - started,
        source=checkpoint,
        output=out_dir,
        files=tuple(out_dir / name for name in (*job.texts, *job.weights)),
        notes=job.notes,
        dry_run=dry_run,
    )


def _prepare(source: Source, family: str | None, *, use_ema: bool, dtype: str, config_dir: Path | None) -> _Job:
    kind = _family(source, family)
    found = _canonical(source, kind)
    if use_ema:
        found = _averaged(source, kind, found)
    configs, notes = configs_for(source, kind, found, config_dir)
    weights: dict[str, tuple[Planned, ...]] = {}
    kept: list[Planned] = []
    for part in kind.components:
        config = configs[part.folder]
        tensors = plan.to_diffusers(source.path, part.folder, part.prefixed_pairs(config), found, dtype)
        weights[f"{part.folder}/{part.stem}.safetensors"] = tuple(tensors)
        kept += plan.keep_bytes(part.extras(config), found)
    if kept:
        weights[EXTRAS_FILE] = tuple(kept)
    texts = {f"{part.folder}/config.json": _text(configs[part.folder]) for part in kind.components}
    texts["scheduler/scheduler_config.json"] = _text(configs["scheduler"])
    texts["model_index.json"] = _text(model_index(kind.name, configs))
    used = {piece.name for tensors in weights.values() for tensor in tensors for piece in tensor.pieces}
    return _Job(kind, weights, texts, (*notes, *_left_out(source, kind, configs, used)))


def _left_out(source: Source, family: Family, configs: Mapping[str, Mapping[str, Any]], used: set[str]) -> list[str]:
    """Notes about tensors that a diffusers folder has no place for, beyond those that are always recomputed."""
    extras = {e.original for part in family.components for e in part.extras(configs[part.folder])}
    rest = [n for n in source.tensors if n not in used and _published_name(family, n) not in {*extras, *_RECOMPUTED}]
    averaged = [name for name in rest if name.startswith(_EMA)]
    other = [name for name in rest if not name.startswith(_EMA)]
    notes = ["The file also holds averaged (EMA) weights; --ema takes them."] if len(averaged) > _EMA_COUNTERS else []
    if other:
        notes.append(f"Left out, since a diffusers folder has no place for them: {some(other)}.")
    return notes


def _family(source: Source, wish: str | None) -> Family:
    found = family_of_names(source.path, source.tensors)
    if wish is not None and wish != found.name:
        raise wrong_family(source.path, FAMILIES[wish].name if wish in FAMILIES else wish, found.name)
    return found


def _canonical(source: Source, family: Family) -> Catalogue:
    """The file's tensors by their published names."""
    return {_published_name(family, name): Located(source, name) for name in source.tensors}


def _published_name(family: Family, name: str) -> str:
    for part in family.components:
        if name.startswith(part.prefix):
            return part.prefix + part.canonical_original(name[len(part.prefix) :])
    return name


def _averaged(source: Source, family: Family, found: Catalogue) -> Catalogue:
    """`found` with the averaged weights in the place of the trained ones.

    LitEma (Stability-AI/stablediffusion, ldm/modules/ema.py) stores them under the name without its dots.
    """
    result = dict(found)
    for part in family.components:
        if part.has_ema:
            names = [name for name in found if name.startswith(part.prefix)]
            flat = {name: _EMA + name.removeprefix("model.").replace(".", "") for name in names}
            if not all(name in source.tensors for name in flat.values()):
                raise no_ema(source.path)
            result |= {name: Located(source, averaged) for name, averaged in flat.items()}
    return result


def _text(config: Mapping[str, Any]) -> str:
    return json.dumps(config, indent=2, sort_keys=True) + "\n"
