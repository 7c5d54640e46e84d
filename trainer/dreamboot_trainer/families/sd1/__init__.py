"""Stable Diffusion 1.x: one CLIP text encoder, a UNet that predicts the noise, 4-channel latents."""

from __future__ import annotations

from dreamboot_trainer.families import Component, Family
from dreamboot_trainer.model_folder import ModelFolder

COMPONENTS = (
    Component(name="unet", classes=("UNet2DConditionModel",)),
    Component(name="vae", classes=("AutoencoderKL",)),
    Component(name="text_encoder", classes=("CLIPTextModel",)),
    Component(name="tokenizer", classes=("CLIPTokenizer", "CLIPTokenizerFast"), weights=False),
    Component(name="scheduler", classes=(), weights=False),
)


def is_stable_diffusion(folder: ModelFolder) -> bool:
    """Whether the pipeline is that of SD 1.x and 2.x, also when parts are missing: the checks name those."""
    return folder.class_name.startswith("StableDiffusionPipeline") and "text_encoder_2" not in folder.parts


def _recognises(folder: ModelFolder) -> bool:
    return is_stable_diffusion(folder) and not folder.config("unet").get("use_linear_projection", False)


FAMILY = Family(
    name="sd1",
    title="Stable Diffusion 1.x",
    package=__name__,
    components=COMPONENTS,
    recognises=_recognises,
    resolution=512,
)
