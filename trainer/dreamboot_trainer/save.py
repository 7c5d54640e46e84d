"""The result: a diffusers folder with the tuned parts, and one checkpoint in the original layout."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dreamboot_trainer.families import Family
from dreamboot_trainer.files import replacing_folder
from dreamboot_trainer.model_folder import ModelFolder, weight_files
from dreamboot_trainer.problems import TrainerError, mismatch

if TYPE_CHECKING:
    import torch

_WEIGHTS = {"text_encoder": "model.safetensors", "text_encoder_2": "model.safetensors"}
_DENOISER = "diffusion_pytorch_model.safetensors"
_TEXT_PARTS = ("embeddings.", "encoder.", "final_layer_norm.")
_SKIPPED = ("safety_checker", "feature_extractor")
"""Parts that training does not use; the index then names none, as diffusers allows."""


def save_folder(
    source: ModelFolder, family: Family, trained: Mapping[str, Mapping[str, torch.Tensor]], precision: str, out: Path
) -> None:
    """Write the model folder `out`: components in `trained` with these weights, the others as they are in `source`.

    All floating-point weights in `precision` (fp16, bf16, fp32). The old `out` stays until the new one is whole.
    """
    with replacing_folder(out) as partial:
        for component in family.components:
            place = partial / component.name
            origin = source.part(component.name)
            if not component.weights:
                shutil.copytree(origin, place)
                continue
            place.mkdir()
            _write_config(origin, place, source.parts[component.name])
            tensors = trained.get(component.name) or _read(origin)
            _write(tensors, place / _WEIGHTS.get(component.name, _DENOISER), precision, _renamer(component.name))
        for item in source.path.iterdir():
            if item.name in _SKIPPED and item.is_dir():
                shutil.copytree(item, partial / item.name)
            elif (item.is_file() and item.suffix in {".json", ".md", ".txt"}) or item.name == "LICENSE":
                shutil.copyfile(item, partial / item.name)


def _write_config(origin: Path, place: Path, class_name: str) -> None:
    """config.json with the class's name, which published text encoders have and other programs look for."""
    config = json.loads((origin / "config.json").read_text(encoding="utf-8"))
    if "_class_name" not in config:
        config.setdefault("architectures", [class_name])
    (place / "config.json").write_text(json.dumps(config, indent=2, sort_keys=True) + "\n", encoding="utf-8")


def dtype_of(precision: str) -> torch.dtype:
    """torch's number format for a name of the configuration."""
    import torch

    return {"fp16": torch.float16, "bf16": torch.bfloat16, "fp32": torch.float32}[precision]


def narrowed(name: str, tensor: torch.Tensor, precision: str) -> torch.Tensor:
    """A weight in the saved model's number format; TrainerError where the format's range does not hold it."""
    found = tensor.detach().to("cpu", dtype_of(precision))
    if not found.isfinite().all() and tensor.isfinite().all():
        raise TrainerError(
            mismatch(
                "save-precision",
                f"The weight {name} does not fit into {precision}; no model is written.",
                f"numbers within the range of save_precision = {precision}",
                f"{float(tensor.abs().max()):g}; the learning rate may be too high",
                "--set save_precision=fp32   (goes on from the last checkpoint)",
            )
        )
    return found.contiguous()


def _renamer(component: str) -> Callable[[str], str]:
    """Text encoders get the names of published folders: `text_model.` in front, which transformers 5 leaves out."""
    if not component.startswith("text_encoder"):
        return lambda name: name
    return lambda name: f"text_model.{name}" if name.startswith(_TEXT_PARTS) else name


def _read(folder: Path) -> dict[str, torch.Tensor]:
    import torch
    from safetensors.torch import load_file

    tensors: dict[str, Any] = {}
    for path in weight_files(folder):
        tensors |= (
            load_file(path)
            if path.suffix == ".safetensors"
            else torch.load(path, map_location="cpu", weights_only=True)
        )
    return tensors


def _write(tensors: Mapping[str, torch.Tensor], path: Path, precision: str, rename: Callable[[str], str]) -> None:
    from safetensors.torch import save_file

    ready = {
        rename(name): narrowed(name, tensor, precision) if tensor.is_floating_point() else tensor.cpu().contiguous()
        for name, tensor in tensors.items()
    }
    save_file(ready, path, metadata={"format": "pt"})
