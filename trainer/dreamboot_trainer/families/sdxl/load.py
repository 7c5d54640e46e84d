"""Weights of SDXL: as SD 1.x, and a second tokenizer and text encoder."""

from __future__ import annotations

import torch
from transformers.models.clip.modeling_clip import CLIPTextModelWithProjection
from transformers.models.clip.tokenization_clip import CLIPTokenizer

from dreamboot_trainer.families import TextParts
from dreamboot_trainer.families.sd1.load import denoiser, noise_schedule, vae
from dreamboot_trainer.families.sd1.load import text as first_text
from dreamboot_trainer.families.weights import clip_encoder, guarded
from dreamboot_trainer.model_folder import ModelFolder

__all__ = ["denoiser", "noise_schedule", "text", "vae"]


def text(folder: ModelFolder, dtype: torch.dtype, _: torch.dtype = torch.float32) -> TextParts:
    """Both tokenizers and text encoders, frozen."""
    first, place = first_text(folder, dtype), folder.part("text_encoder_2")
    with guarded(place):
        tokenizer = CLIPTokenizer.from_pretrained(folder.part("tokenizer_2"))
        second = clip_encoder(CLIPTextModelWithProjection, place, dtype)
    return TextParts((*first.tokenizers, tokenizer), (*first.encoders, second))
