"""Stable Diffusion 2.x: an OpenCLIP text encoder; the 768-pixel models predict the velocity."""

from __future__ import annotations

from dreamboot_trainer.families import Family
from dreamboot_trainer.families.sd1 import COMPONENTS, is_stable_diffusion
from dreamboot_trainer.model_folder import ModelFolder


def _recognises(folder: ModelFolder) -> bool:
    return is_stable_diffusion(folder) and bool(folder.config("unet").get("use_linear_projection", False))


FAMILY = Family(
    name="sd2",
    title="Stable Diffusion 2.x",
    package=__name__,
    components=COMPONENTS,
    recognises=_recognises,
    resolution=768,
)
