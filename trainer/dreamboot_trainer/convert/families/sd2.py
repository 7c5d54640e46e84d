"""Stable Diffusion 2.x (2.0 and 2.1, 512 and 768 pixels)."""

from __future__ import annotations

from functools import partial

from dreamboot_trainer.convert import clip_text, openclip_text
from dreamboot_trainer.convert.families.base import Component, Family
from dreamboot_trainer.convert.families.parts import UNET, VAE, penultimate_extras

_TEXT = Component(
    "text_encoder",
    "model",
    "cond_stage_model.model.",
    partial(openclip_text.pairs, projection=False),
    canonical_diffusers=clip_text.canonical,
    extras=penultimate_extras,
)

FAMILY = Family(
    name="sd2",
    title="Stable Diffusion 2.x",
    components=(UNET, VAE, _TEXT),
    marks=("cond_stage_model.model.ln_final.weight",),
    architecture="stable-diffusion-v2",
    has_schedule=True,
    tokenizers=("tokenizer",),
)
