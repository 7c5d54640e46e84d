"""Pixels and latents of FLUX.1: another AutoencoderKL of SD 3.x's shape."""

from __future__ import annotations

from dreamboot_trainer.families.sd3.latents import decode, encode, shape

__all__ = ["decode", "encode", "shape"]
