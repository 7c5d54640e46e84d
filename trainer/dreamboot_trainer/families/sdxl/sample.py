"""Sampling of SDXL: the same DDIM as SD 1.x."""

from __future__ import annotations

from dreamboot_trainer.families.sd1.sample import denoise

__all__ = ["denoise"]
