"""Sampling of SD 2.x: the same DDIM, with the velocity where the scheduler says so."""

from __future__ import annotations

from dreamboot_trainer.families.sd1.sample import denoise

__all__ = ["denoise"]
