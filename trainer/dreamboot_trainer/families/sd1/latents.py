"""Pixels and latents of SD 1.x: AutoencoderKL, 4 channels, 8 pixels a side per latent in the published models."""

from __future__ import annotations

from typing import Any

import torch

from dreamboot_trainer.model_folder import ModelFolder


def encode(vae: Any, pixels: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Mean and standard deviation of the scaled latents [B, C, h, w] of pixels [B, 3, H, W] in -1..1."""
    posterior = vae.encode(pixels.to(vae.device, vae.dtype)).latent_dist
    scale = vae.config.scaling_factor
    shift = vae.config.shift_factor or 0.0
    return (posterior.mean - shift) * scale, posterior.std * scale


def decode(vae: Any, latents: torch.Tensor) -> torch.Tensor:
    """Pixels [B, 3, H, W] in -1..1 from scaled latents."""
    shift = vae.config.shift_factor or 0.0
    decoded: torch.Tensor = vae.decode(latents.to(vae.device, vae.dtype) / vae.config.scaling_factor + shift).sample
    return decoded.clamp(-1, 1)


def shape(folder: ModelFolder, height: int, width: int) -> tuple[int, int, int]:
    """Channels, height and width of the latents for an image of this size in pixels."""
    factor = folder.pixels_per_latent
    return int(folder.config("unet").get("in_channels", 4)), height // factor, width // factor
