"""Weights of SD 2.x: the folder differs in its configs alone, so SD 1.x's loading serves."""

from __future__ import annotations

from dreamboot_trainer.families.sd1.load import denoiser, noise_schedule, text, vae

__all__ = ["denoiser", "noise_schedule", "text", "vae"]
