"""Stable Diffusion XL: two CLIP text encoders, a UNet that is told the sizes of the picture, 1024 pixels."""

from __future__ import annotations

from dreamboot_trainer.families import Component, Family, Width
from dreamboot_trainer.families.sd1 import COMPONENTS
from dreamboot_trainer.model_folder import ModelFolder


def _recognises(folder: ModelFolder) -> bool:
    return folder.class_name.startswith("StableDiffusionXLPipeline")


FAMILY = Family(
    name="sdxl",
    title="Stable Diffusion XL",
    package=__name__,
    components=(
        *COMPONENTS,
        Component(name="text_encoder_2", classes=("CLIPTextModelWithProjection",)),
        Component(name="tokenizer_2", classes=("CLIPTokenizer", "CLIPTokenizerFast"), weights=False),
    ),
    recognises=_recognises,
    resolution=1024,
    text_encoders=("text_encoder", "text_encoder_2"),
    widths=(
        Width(key="cross_attention_dim", made=(("text_encoder", "hidden_size"), ("text_encoder_2", "hidden_size"))),
    ),
)
