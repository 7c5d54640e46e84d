"""Pixels and latents of SDXL: another AutoencoderKL of the same shape; it overflows in fp16, so it runs in float32."""

from __future__ import annotations

from dreamboot_trainer.families.sd1.latents import decode, encode, shape

__all__ = ["decode", "encode", "shape"]
