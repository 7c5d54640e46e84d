"""Pixels and latents of SD 3.x: AutoencoderKL with 16 channels, shifted as well as scaled."""

from __future__ import annotations

from dreamboot_trainer.families.sd1.latents import decode, encode
from dreamboot_trainer.model_folder import ModelFolder

__all__ = ["decode", "encode", "shape"]


def shape(folder: ModelFolder, height: int, width: int) -> tuple[int, int, int]:
    """Channels, height and width of the latents for an image of this size in pixels."""
    factor = folder.pixels_per_latent
    return int(folder.config("vae").get("latent_channels", 16)), height // factor, width // factor
