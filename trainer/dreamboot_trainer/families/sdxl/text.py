"""Prompts of SDXL: both encoders' last hidden state but one, side by side, and the second one's projection."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch

from dreamboot_trainer.families import TextParts
from dreamboot_trainer.families.sd1 import text as single
from dreamboot_trainer.families.sd1.text import HIDDEN, settled

__all__ = ["HIDDEN", "POOLED", "encode", "settled", "tokens", "too_long"]

POOLED = "pooled"
_IDS = ("input_ids", "input_ids_2")


def tokens(parts: TextParts, prompts: Sequence[str]) -> Mapping[str, torch.Tensor]:
    """`input_ids` and `input_ids_2` [B, L], padded and cut to the encoders' length."""
    pairs = zip(_IDS, parts.tokenizers, parts.encoders, strict=True)
    return {name: single.tokens(TextParts((t,), (e,)), prompts)[single.TOKENS] for name, t, e in pairs}


def encode(encoders: Sequence[Any], tokens: Mapping[str, torch.Tensor]) -> Mapping[str, torch.Tensor]:
    """`hidden` [B, L, width 1 + width 2] and `pooled` [B, projection]."""
    answers = [
        encoder(tokens[name].to(encoder.device), output_hidden_states=True)
        for name, encoder in zip(_IDS, encoders, strict=True)
    ]
    return {
        HIDDEN: torch.cat([answer.hidden_states[-2] for answer in answers], dim=-1),
        POOLED: answers[1].text_embeds,
    }


def too_long(parts: TextParts, prompt: str) -> int:
    """Tokens of the prompt that are cut off, 0 if it fits."""
    pairs = zip(parts.tokenizers, parts.encoders, strict=True)
    return max(single.too_long(TextParts((t,), (e,)), prompt) for t, e in pairs)
