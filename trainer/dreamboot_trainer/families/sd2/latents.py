"""Pixels and latents of SD 2.x: the same autoencoder as SD 1.x."""

from __future__ import annotations

from dreamboot_trainer.families.sd1.latents import decode, encode, shape

__all__ = ["decode", "encode", "shape"]
