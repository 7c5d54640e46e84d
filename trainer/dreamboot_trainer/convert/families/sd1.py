"""Stable Diffusion 1.x (1.1 to 1.5, and the models tuned from them)."""

from __future__ import annotations

from dreamboot_trainer.convert.families.base import Family
from dreamboot_trainer.convert.families.parts import UNET, VAE, clip_encoder

_TEXT = "cond_stage_model.transformer."

FAMILY = Family(
    name="sd1",
    title="Stable Diffusion 1.x",
    components=(UNET, VAE, clip_encoder(_TEXT)),
    marks=(
        f"{_TEXT}text_model.embeddings.token_embedding.weight",
        f"{_TEXT}embeddings.token_embedding.weight",
    ),
    architecture="stable-diffusion-v1",
    has_schedule=True,
    tokenizers=("tokenizer",),
)
