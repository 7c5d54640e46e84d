"""Which family a checkpoint or a diffusers folder is, from its names alone."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from dreamboot_trainer.convert.catalogue import read_json
from dreamboot_trainer.convert.families import FAMILIES, Family
from dreamboot_trainer.convert.faults import not_a_folder, not_found, only_a_folder, unknown_family, unsupported_config
from dreamboot_trainer.convert.sources import open_source

_UNET = "model.diffusion_model.input_blocks.0.0.weight"
_TRANSFORMERS = {"double_blocks": "FLUX.1", "joint_blocks": "Stable Diffusion 3"}
_UNSUPPORTED = ("depth_model.", "embedder.", "cond_stage_model.roberta.", "conditioner.embedders.0.model.")


def detect(path: Path) -> str:
    """The family's name (sd1, sd2, sdxl) of an original-layout file or a diffusers folder. Reads no tensor data.

    TrainerError for anything else.
    """
    path = Path(path)
    if path.is_dir():
        return family_of_folder(path).name
    if not path.exists():
        raise not_found(path)
    source = open_source(path)
    try:
        return family_of_names(path, source.tensors).name
    finally:
        source.close()


def family_of_names(path: Path, names: Iterable[str]) -> Family:
    """The family of an original-layout file with these tensor names.

    The web UI decides the same way (AUTOMATIC1111, modules/sd_models_config.py), but by the width of SD 2.x's text
    encoder too; the names suffice, and hold for miniatures.
    """
    present = set(names)
    if _UNET in present and not any(name.startswith(_UNSUPPORTED) for name in present):
        for family in FAMILIES.values():
            if any(mark in present for mark in family.marks):
                return family
    title = transformer_of(present)
    if title is not None:
        raise only_a_folder(path, title)
    raise unknown_family(path, sorted(present))


def transformer_of(names: Iterable[str]) -> str | None:
    """The title of the family whose transformer a file with these tensor names holds; None for any other file.

    Both layouts in use have these blocks, with `model.diffusion_model.` in front (ComfyUI) or without.
    """
    for name in names:
        block = name.removeprefix("model.diffusion_model.").partition(".")[0]
        if block in _TRANSFORMERS:
            return _TRANSFORMERS[block]
    return None


def family_of_folder(folder: Path) -> Family:
    """The family of a diffusers folder, from its configs."""
    if (folder / "transformer" / "config.json").is_file():
        found = read_json(folder / "transformer" / "config.json").get("_class_name")
        raise unsupported_config("_class_name", "UNet2DConditionModel", found)
    if not (folder / "unet").is_dir():
        raise not_a_folder(folder, "unet/config.json")
    unet = read_json(folder / "unet" / "config.json")
    text = read_json(folder / "text_encoder" / "config.json")
    if unet.get("_class_name", "UNet2DConditionModel") != "UNet2DConditionModel":
        raise unsupported_config("_class_name", "UNet2DConditionModel", unet["_class_name"])
    if (folder / "text_encoder_2").is_dir():
        return FAMILIES["sdxl"]
    # OpenCLIP's encoder (SD 2.x) has exact GELU where OpenAI's CLIP (SD 1.x) has its fast approximation.
    openclip = unet.get("use_linear_projection") is True or text.get("hidden_act") == "gelu"
    return FAMILIES["sd2" if openclip else "sd1"]
