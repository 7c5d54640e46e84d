"""Weights of FLUX.1 from a diffusers folder: the transformer, CLIP and T5."""

from __future__ import annotations

from typing import Any

import torch
from diffusers.models.transformers.transformer_flux import FluxTransformer2DModel

from dreamboot_trainer.families import TextParts
from dreamboot_trainer.families.flow import noise_schedule
from dreamboot_trainer.families.sd1.load import text as clip
from dreamboot_trainer.families.sd1.load import vae
from dreamboot_trainer.families.t5 import t5
from dreamboot_trainer.families.weights import guarded, owned, variant_of
from dreamboot_trainer.model_folder import ModelFolder

__all__ = ["denoiser", "noise_schedule", "text", "vae"]


def denoiser(folder: ModelFolder, dtype: torch.dtype) -> Any:
    """The transformer."""
    place = folder.part("transformer")
    with guarded(place):
        return owned(FluxTransformer2DModel.from_pretrained(place, torch_dtype=dtype, variant=variant_of(place)))


def text(folder: ModelFolder, dtype: torch.dtype, large: torch.dtype = torch.float32) -> TextParts:
    """Both tokenizers and text encoders, frozen."""
    first = clip(folder, dtype)
    tokenizer, encoder = t5(folder, "_2", large)
    return TextParts((*first.tokenizers, tokenizer), (*first.encoders, encoder))
