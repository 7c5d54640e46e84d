"""Do the parts of a model fit each other? Their configs say so before a weight is read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from dreamboot_trainer.families import Family, Width
from dreamboot_trainer.model_folder import ModelFolder
from dreamboot_trainer.problems import Problem, mismatch

_UNSAID = 512
"""What transformers takes for `hidden_size`, `projection_dim` and `d_model` where a config leaves them out."""
_NEAR = 0.05
"""Scales of one latent space differ by less: SD 1.x and 2.x have 0.18215, SDXL 0.13025, SD 3 1.5305, FLUX.1 0.3611."""


def check_parts(folder: ModelFolder, family: Family) -> tuple[Problem, ...]:
    """The denoiser takes as many channels as the VAE makes, and is as wide as the text encoders."""
    faults = [*_channels(folder, family), *_scale(folder)]
    for width in family.widths:
        faults += _width(folder, family, width)
    return tuple(faults)


def check_other_vae(own: ModelFolder, other: ModelFolder) -> tuple[Problem, ...]:
    """A VAE from elsewhere must be of the latent space that the model was trained in."""
    was, now = own.config("vae"), other.config("vae")
    factors = [folder.pixels_per_latent for folder in (own, other)]
    if factors[0] != factors[1]:
        return (_vae(other, f"{factors[0]} pixels a side per latent, as the model's own", f"{factors[1]} pixels"),)
    scales = [config.get("scaling_factor", 0.18215) for config in (was, now)]
    if _positive(scales[0]) and abs(scales[1] / scales[0] - 1) > _NEAR:
        return (_vae(other, f"latents of the model's own scale, {scales[0]}", scales[1]),)
    return ()


def _channels(folder: ModelFolder, family: Family) -> list[Problem]:
    made, taken = folder.config("vae").get("latent_channels", 4), family.latent_channels(folder)
    if made == taken:
        return []
    name = "UNet" if family.denoiser == "unet" else family.denoiser
    return [
        mismatch(
            "model-vae-mismatch",
            f"The VAE in {folder.part('vae')} does not fit the {name} in {folder.part(family.denoiser)}.",
            f"latents of {taken} channels",
            f"{made} channels",
            "--set pretrained_vae_name_or_path=FOLDER, with a VAE of the same model family",
        )
    ]


def _scale(folder: ModelFolder) -> list[Problem]:
    scale = folder.config("vae").get("scaling_factor", 0.18215)
    return [] if _positive(scale) else [_vae(folder, "a scaling_factor above 0 in its config.json", scale)]


def _width(folder: ModelFolder, family: Family, width: Width) -> list[Problem]:
    taken = folder.config(family.denoiser).get(width.key)
    parts = [(name, key) for name, key in width.made if name in folder.parts]
    made = [folder.config(name).get(key, _UNSAID) for name, key in parts]
    if not parts or not isinstance(taken, int) or (all(isinstance(each, int) for each in made) and sum(made) == taken):
        return []
    names = " and ".join(str(folder.part(name)) for name, _ in parts)
    return [
        mismatch(
            "model-text-mismatch",
            f"The text encoder in {names} does not fit the network in {folder.part(family.denoiser)}.",
            f"{width.key} = {taken}, as the network's config.json says",
            " + ".join(str(each) for each in made),
            "Download the whole model again: hf download NAME --local-dir FOLDER",
        )
    ]


def _positive(number: Any) -> bool:
    return isinstance(number, (int, float)) and number > 0


def _vae(folder: ModelFolder, expected: str, found: object) -> Problem:
    place: Path = folder.part("vae")
    return mismatch(
        "model-vae-mismatch",
        f"The VAE in {place} does not fit the model in {folder.path}.",
        expected,
        found,
        "--set pretrained_vae_name_or_path=FOLDER, with a VAE of the same model family",
    )
