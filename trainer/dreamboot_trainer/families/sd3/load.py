"""Weights of SD 3.x from a diffusers folder: the transformer, two CLIPs, and T5 where it is there."""

from __future__ import annotations

from typing import Any

import torch
from diffusers.models.transformers.transformer_sd3 import SD3Transformer2DModel
from transformers.models.clip.modeling_clip import CLIPTextModelWithProjection
from transformers.models.clip.tokenization_clip import CLIPTokenizer

from dreamboot_trainer.families import TextParts
from dreamboot_trainer.families.flow import noise_schedule
from dreamboot_trainer.families.sd1.load import vae
from dreamboot_trainer.families.t5 import NoT5, t5
from dreamboot_trainer.families.weights import clip_encoder, guarded, owned, variant_of
from dreamboot_trainer.model_folder import ModelFolder

__all__ = ["denoiser", "noise_schedule", "text", "vae"]


def denoiser(folder: ModelFolder, dtype: torch.dtype) -> Any:
    """The transformer."""
    place = folder.part("transformer")
    with guarded(place):
        return owned(SD3Transformer2DModel.from_pretrained(place, torch_dtype=dtype, variant=variant_of(place)))


def text(folder: ModelFolder, dtype: torch.dtype, large: torch.dtype = torch.float32) -> TextParts:
    """Tokenizers and text encoders, frozen. A folder may leave T5 out: its words are then zeros (Esser et al., 5.3)."""
    tokenizers: list[Any] = []
    encoders: list[Any] = []
    for ending in ("", "_2"):
        place = folder.part(f"text_encoder{ending}")
        with guarded(place):
            tokenizers.append(CLIPTokenizer.from_pretrained(folder.part(f"tokenizer{ending}")))
            encoders.append(clip_encoder(CLIPTextModelWithProjection, place, dtype))
    if "text_encoder_3" in folder.parts:
        tokenizer, encoder = t5(folder, "_3", large)
        tokenizers.append(tokenizer)
    else:
        encoder = NoT5(int(folder.config("transformer")["joint_attention_dim"]))
    return TextParts(tuple(tokenizers), (*encoders, encoder))
