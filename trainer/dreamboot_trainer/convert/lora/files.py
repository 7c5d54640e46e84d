"""Reading and writing whole LoRA files in either naming."""

from __future__ import annotations

import struct
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from dreamboot_trainer.convert import infer
from dreamboot_trainer.convert.atomic import keep_source, new_file
from dreamboot_trainer.convert.catalogue import Located, open_in, read_json
from dreamboot_trainer.convert.detect import family_of_folder
from dreamboot_trainer.convert.families import FAMILIES
from dreamboot_trainer.convert.faults import not_a_lora, unknown_lora_layers, wrong_family
from dreamboot_trainer.convert.lora import fused, transformers
from dreamboot_trainer.convert.lora.adapter import (
    METADATA_KEY,
    PEFT_FILE,
    Adapter,
    from_diffusers,
    from_kohya,
    metadata,
)
from dreamboot_trainer.convert.lora.names import Layer, layers
from dreamboot_trainer.convert.numbers import cast, wanted
from dreamboot_trainer.convert.planned import Planned, whole
from dreamboot_trainer.convert.report import Counter, Progress, Report
from dreamboot_trainer.convert.sources import Source, open_source
from dreamboot_trainer.convert.writer import total_bytes, write

_FILE = "pytorch_lora_weights.safetensors"
_FAMILY_BY_CONTEXT = {768: "sd1", 1024: "sd2", 2048: "sdxl"}
_KOHYA_BASE = {"sd1": "sd_v1", "sd2": "sd_v2", "sdxl": "sdxl_base_v1-0", "flux": "flux1"}
"""Values of kohya's ss_base_model_version (kohya-ss/sd-scripts, library/{model,sdxl_model,flux}_util*.py)."""


def lora_file(path: Path) -> Path | None:
    """The LoRA file that `path` is, or that the folder `path` holds; None for anything else."""
    inside = (path / name for name in (_FILE, PEFT_FILE))
    file = next((file for file in inside if file.is_file()), path) if path.is_dir() else path
    return file if file.is_file() and file.suffix == ".safetensors" and is_lora(file) is not None else None


def is_lora(path: Path) -> str | None:
    """kohya or diffusers by the file's tensor names; None when it is no LoRA."""
    source = open_source(path)
    try:
        return _kind(source)
    finally:
        source.close()


def lora_to_kohya(path: Path, out: Path, **options: Any) -> Report:
    """Write the LoRA in `path` (diffusers' names, of any age) with kohya's names, for the web UI and ComfyUI.

    Options: `dtype` (keep, float16, bfloat16, float32), `family` (None = by the text width), `config_dir` (the model's
    diffusers folder, for models with other layers than the published one), `overwrite`, `dry_run`, `progress`.
    `alpha` comes from the metadata that diffusers writes, else it is the rank. Raises TrainerError.
    """
    return _turn(Path(path), Path(out), "diffusers", _kohya, **options)


def lora_to_diffusers(path: Path, out: Path, **options: Any) -> Report:
    """Write the LoRA in `path` (kohya's names) with diffusers' names, for `load_lora_weights`. Options as above.

    Strengths (alpha) that differ from the rank go into the metadata that diffusers >= 0.34 reads.
    """
    return _turn(Path(path), Path(out), "kohya", _diffusers, **options)


_Writer = Callable[[Mapping[str, tuple[Layer, Adapter]], str], tuple[list[Planned], dict[str, str], list[str]]]


def _turn(
    path: Path,
    out: Path,
    kind: str,
    plan: _Writer,
    *,
    dtype: str = "keep",
    family: str | None = None,
    config_dir: Path | None = None,
    overwrite: bool = False,
    dry_run: bool = False,
    progress: Progress | None = None,
) -> Report:
    started = time.monotonic()
    keep_source(path, out)
    with ExitStack() as stack:
        source = open_in(stack, path)
        if _kind(source) != kind:
            raise not_a_lora(path, sorted(source.tensors))
        name = fused.family_of(source.tensors, config_dir)
        if name is not None:
            if family not in (None, name):
                raise wrong_family(path, str(family), name)
            tensors, text, notes = transformers.planned(source, kind, name, dtype)
        else:
            name = _family(source, family, config_dir)
            found = _known(source, kind, name, config_dir)
            tensors, text, notes = plan(found, dtype)
        if kind == "diffusers" and name in _KOHYA_BASE:
            text = {**text, "ss_base_model_version": _KOHYA_BASE[name]}
        size = total_bytes(tensors, text)
        if not dry_run:
            with new_file(out, size, overwrite=overwrite) as partial:
                write(partial, tensors, text, Counter(progress, size))
    return Report(
        family=name,
        tensors=len(tensors),
        bytes=size,
        seconds=time.monotonic() - started,
        source=path,
        output=out,
        files=(out,),
        notes=tuple(notes),
        dry_run=dry_run,
    )


def _kind(source: Source) -> str | None:
    if any(name.startswith("lora_") and ".lora_down." in name for name in source.tensors):
        return "kohya"
    return "diffusers" if from_diffusers(source)[0] else None


def _family(source: Source, wish: str | None, config_dir: Path | None) -> str:
    """By the model's folder; else by a second text encoder; else by the width of the text states; else SD 1.x."""
    found: str | None
    if config_dir is not None:
        found = family_of_folder(Path(config_dir)).name
    elif any(name.startswith(("lora_te2_", "text_encoder_2.")) for name in source.tensors):
        found = "sdxl"
    else:
        ends = ("attn2_to_k.lora_down.weight", "attn2.to_k.lora_A.weight", "attn2.to_k.lora.down.weight")
        widths = (info.shape[1] for name, info in source.tensors.items() if name.endswith(ends))
        found = _FAMILY_BY_CONTEXT.get(next(widths, 0))
    if wish is not None and found is not None and wish != found:
        raise wrong_family(source.path, wish, found)
    return wish or found or "sd1"


def _known(source: Source, kind: str, family: str, config_dir: Path | None) -> dict[str, tuple[Layer, Adapter]]:
    """Dotted layer name -> layer and adapter. TrainerError for tensors of layers that the model does not have."""
    configs = {"unet": read_json(Path(config_dir) / "unet" / "config.json")} if config_dir else infer.published(family)
    by_name: dict[str, Layer] = {}
    for layer in layers(FAMILIES[family], configs):
        by_name |= dict.fromkeys((layer.diffusers,) if kind == "diffusers" else (layer.kohya, *layer.also), layer)
    adapters, rest = from_diffusers(source) if kind == "diffusers" else from_kohya(source)
    unknown = [*rest, *(name for name in adapters if name not in by_name)]
    if unknown:
        raise unknown_lora_layers(source.path, sorted(unknown))
    return {by_name[name].diffusers: (by_name[name], adapter) for name, adapter in adapters.items()}


def _kohya(found: Mapping[str, tuple[Layer, Adapter]], wish: str) -> tuple[list[Planned], dict[str, str], list[str]]:
    tensors: list[Planned] = []
    for layer, adapter in found.values():
        tensors += _matrices(adapter, wish, f"{layer.kohya}.lora_down.weight", f"{layer.kohya}.lora_up.weight")
        tensors.append(_alpha(f"{layer.kohya}.alpha", adapter, tensors[-1].dtype))
        if adapter.magnitude is not None:
            out = adapter.up.info.shape[0]
            ones = (1,) * (len(adapter.down.info.shape) - 1)
            tensors.append(_reshaped(f"{layer.kohya}.dora_scale", adapter.magnitude, wish, (out, *ones)))
    ranks, alphas = ({a.rank for _, a in found.values()}, {a.alpha for _, a in found.values()})
    text = {
        "ss_network_module": "networks.lora",
        "ss_network_dim": str(ranks.pop()) if len(ranks) == 1 else "Dynamic",
        "ss_network_alpha": str(alphas.pop()) if len(alphas) == 1 else "Dynamic",
    }
    return tensors, text, []


def _diffusers(
    found: Mapping[str, tuple[Layer, Adapter]], wish: str
) -> tuple[list[Planned], dict[str, str], list[str]]:
    tensors: list[Planned] = []
    for name, (_, adapter) in found.items():
        tensors += _matrices(adapter, wish, f"{name}.lora_A.weight", f"{name}.lora_B.weight")
        if adapter.magnitude is not None:
            out, dims = adapter.up.info.shape[0], len(adapter.down.info.shape)
            shape = (out,) if dims == 2 else (1, out, *(1,) * (dims - 2))
            tensors.append(_reshaped(f"{name}.lora_magnitude_vector", adapter.magnitude, wish, shape))
    adapters = {name: adapter for name, (_, adapter) in found.items()}
    scaled = any(adapter.alpha != adapter.rank for adapter in adapters.values())
    notes = (
        ["Its strength (alpha / rank) is in the metadata; readers before diffusers 0.34 ignore it."] if scaled else []
    )
    return tensors, {"format": "pt", METADATA_KEY: metadata(adapters)}, notes


def _matrices(adapter: Adapter, wish: str, down: str, up: str) -> Iterator[Planned]:
    for name, place in ((down, adapter.down), (up, adapter.up)):
        yield _reshaped(name, place, wish, place.info.shape)


def _reshaped(name: str, place: Located, wish: str, shape: tuple[int, ...]) -> Planned:
    return Planned(name, wanted(place.info.dtype, wish), shape, (whole(place.source, place.name),))


def _alpha(name: str, adapter: Adapter, dtype: str) -> Planned:
    """A scalar in the matrices' format where that holds it exactly, else in float32."""
    exact = struct.pack("<f", adapter.alpha)
    short = bytes(cast(exact, "F32", dtype, name))
    if bytes(cast(short, dtype, "F32", name)) == exact:
        return Planned(name, dtype, (), constant=short)
    return Planned(name, "F32", (), constant=exact)
