"""One call of SD 2.x's UNet; the target (noise or velocity) is stated by the scheduler's config."""

from __future__ import annotations

from dreamboot_trainer.families.sd1.denoise import add_noise, predict, target, timestep, weights

__all__ = ["add_noise", "predict", "target", "timestep", "weights"]
