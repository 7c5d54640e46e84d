"""Stable Diffusion XL, base model."""

from __future__ import annotations

from functools import partial

from dreamboot_trainer.convert import clip_text, openclip_text
from dreamboot_trainer.convert.families.base import Component, Family
from dreamboot_trainer.convert.families.parts import UNET, VAE, clip_encoder, logit_scale

_SECOND = "conditioner.embedders.1.model."
_TEXT_2 = Component(
    "text_encoder_2",
    "model",
    _SECOND,
    partial(openclip_text.pairs, projection=True),
    canonical_diffusers=clip_text.canonical,
    extras=lambda _: (logit_scale(_SECOND),),
)

FAMILY = Family(
    name="sdxl",
    title="Stable Diffusion XL",
    components=(UNET, VAE, clip_encoder("conditioner.embedders.0.transformer."), _TEXT_2),
    marks=("conditioner.embedders.1.model.ln_final.weight",),
    architecture="stable-diffusion-xl-v1-base",
    has_schedule=False,
    tokenizers=("tokenizer", "tokenizer_2"),
)
