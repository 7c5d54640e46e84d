"""The configs of a diffusers folder that is made from one checkpoint: given, carried by the file, or inferred."""

from __future__ import annotations

import json
import re
import statistics
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dreamboot_trainer.convert import infer
from dreamboot_trainer.convert.catalogue import Catalogue, read_json
from dreamboot_trainer.convert.families import Component, Family
from dreamboot_trainer.convert.faults import missing_tensors, unreadable
from dreamboot_trainer.convert.numbers import cast
from dreamboot_trainer.convert.original import CONFIGS_KEY
from dreamboot_trainer.convert.sources import Source

Settings = dict[str, Any]

_V_PREDICTION_SPREAD = 0.09
"""Above this standard deviation of one bias, an SD 2.x UNet predicts v. Source: ComfyUI comfy/supported_models.py,
class SD20.model_type (output_blocks.11.1.transformer_blocks.0.norm1.bias)."""

_PARAMETERIZATION = re.compile(r"^\s*\"?parameterization\"?\s*:\s*[\"']?(v|eps)\b", re.MULTILINE)
# In-channels of the UNet -> the pipelines that feed such a UNet, for SD 1.x and 2.x and for SDXL.
_PIPELINES = {
    9: ("StableDiffusionInpaintPipeline", "StableDiffusionXLInpaintPipeline"),
    8: ("StableDiffusionInstructPix2PixPipeline", "StableDiffusionXLInstructPix2PixPipeline"),
}


def configs_for(
    source: Source, family: Family, found: Catalogue, config_dir: Path | None
) -> tuple[dict[str, Settings], list[str]]:
    """The config of every component and of the scheduler, by folder name, and notes for the user.

    Order: `config_dir`; the metadata of a file that dreamboot wrote; the published configs, fitted to the shapes.
    """
    if config_dir is not None:
        return _from_folder(family, Path(config_dir)), []
    carried = source.metadata.get(CONFIGS_KEY)
    if carried is not None:
        return _from_metadata(source.path, carried, family), []
    return _inferred(source, family, found)


def model_index(family: str, configs: Mapping[str, Settings]) -> Settings:
    """The model_index.json that fits these configs."""
    index: Settings = dict(infer.published(family)["model_index"])
    index["scheduler"] = ["diffusers", configs["scheduler"].get("_class_name", "PNDMScheduler")]
    names = _PIPELINES.get(configs["unet"]["in_channels"])
    if names is not None:
        index["_class_name"] = names[family == "sdxl"]
    return index


def _from_folder(family: Family, folder: Path) -> dict[str, Settings]:
    configs = {part.folder: read_json(folder / part.folder / "config.json") for part in family.components}
    return {**configs, "scheduler": read_json(folder / "scheduler" / "scheduler_config.json")}


def _from_metadata(path: Path, text: str, family: Family) -> dict[str, Settings]:
    try:
        configs: dict[str, Settings] = json.loads(text)
        parts = {part.folder: dict(configs[part.folder]) for part in family.components}
        scheduler = dict(configs["scheduler"])
    except (ValueError, KeyError, TypeError) as error:
        raise unreadable(path, f"damaged metadata under {CONFIGS_KEY}: {error!r}") from error
    return {**parts, "scheduler": scheduler}


def _inferred(source: Source, family: Family, found: Catalogue) -> tuple[dict[str, Settings], list[str]]:
    configs = {part.folder: _component(source.path, family, part, found) for part in family.components}
    scheduler = dict(infer.published(family.name)["scheduler"])
    prediction, reason = _prediction(source, family, found)
    notes = [] if reason is None else [f"The model predicts {prediction}: {reason}."]
    if family.name == "sd2" and prediction == "epsilon":  # SD 2.1-base: 512 pixels
        configs["unet"] |= {"sample_size": 64, "upcast_attention": False}
    scheduler["prediction_type"] = prediction
    widths = configs["unet"]["block_out_channels"]
    if widths != infer.published(family.name)["unet"]["block_out_channels"]:
        notes.append("The number of attention heads is not stored in the file; it was taken from the family's rule.")
    return {**configs, "scheduler": scheduler}, notes


def _component(path: Path, family: Family, part: Component, found: Catalogue) -> Settings:
    names = (name for name in found if name.startswith(part.prefix))
    shapes = {name[len(part.prefix) :]: found[name].info.shape for name in names}
    try:
        if part.folder == "unet":
            return infer.unet(shapes, family.name)
        if part.folder == "vae":
            return infer.vae(shapes, family.name)
        if "ln_final.weight" in shapes:
            return infer.openclip_text(shapes, family.name, part.folder, unused_blocks=int(family.name == "sd2"))
        return infer.clip_text(shapes, family.name)
    except (KeyError, IndexError) as error:
        name = str(error.args[0]) if isinstance(error, KeyError) else "the first block"
        raise missing_tensors(path, part.folder, [part.prefix + name]) from error


def _prediction(source: Source, family: Family, found: Catalogue) -> tuple[str, str | None]:
    """What the UNet predicts, and the evidence where it was not certain from the family."""
    if family.name == "sdxl":
        return ("v_prediction", "the file has a v_pred mark") if "v_pred" in found else ("epsilon", None)
    text = source.path.with_suffix(".yaml")
    match = _PARAMETERIZATION.search(text.read_text(encoding="utf-8", errors="replace")) if text.is_file() else None
    if match is not None:
        return ("v_prediction" if match[1] == "v" else "epsilon"), f"{text.name} says so"
    if family.name == "sd1":
        return "epsilon", None
    spread = _spread(found)
    kind = "v_prediction" if spread > _V_PREDICTION_SPREAD else "epsilon"
    rule = f"a bias's spread is {spread:.3f}, and above {_V_PREDICTION_SPREAD} stands for v"
    return kind, f"{rule} (a rule of thumb of ComfyUI's; change scheduler/scheduler_config.json if images are bad)"


def _spread(found: Catalogue) -> float:
    """Standard deviation of the first normalisation's bias in the UNet's last transformer."""
    end = ".1.transformer_blocks.0.norm1.bias"
    prefix = "model.diffusion_model.output_blocks."
    names = [name for name in found if name.startswith(prefix) and name.endswith(end)]
    place = found[max(names, key=lambda name: int(name[len(prefix) : -len(end)]))]
    raw = b"".join(bytes(chunk) for chunk in place.source.chunks(place.name, 0, place.info.nbytes))
    values = memoryview(bytes(cast(raw, place.info.dtype, "F32", place.name))).cast("f").tolist()
    return statistics.pstdev(values)
