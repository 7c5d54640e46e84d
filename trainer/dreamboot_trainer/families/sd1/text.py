"""Prompts of SD 1.x: one CLIP encoder's last hidden state."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch

from dreamboot_trainer.families import TextParts

TOKENS = "input_ids"
HIDDEN = "hidden"


def tokens(parts: TextParts, prompts: Sequence[str]) -> Mapping[str, torch.Tensor]:
    """`input_ids` [B, L], padded and cut to the encoder's length."""
    tokenizer = parts.tokenizers[0]
    found = tokenizer(
        list(prompts), padding="max_length", max_length=_length(parts), truncation=True, return_tensors="pt"
    )
    return {TOKENS: found.input_ids}


def settled(_: Sequence[Any], tokens: Mapping[str, torch.Tensor]) -> Mapping[str, torch.Tensor]:
    """The tokens: every encoder may be trained."""
    return tokens


def encode(encoders: Sequence[Any], tokens: Mapping[str, torch.Tensor]) -> Mapping[str, torch.Tensor]:
    """`hidden` [B, L, width]."""
    ids = tokens[TOKENS].to(encoders[0].device)
    return {HIDDEN: encoders[0](ids)[0]}


def too_long(parts: TextParts, prompt: str) -> int:
    """Tokens of the prompt that are cut off, 0 if it fits."""
    found = parts.tokenizers[0](prompt, truncation=False).input_ids
    return max(0, len(found) - _length(parts))


def _length(parts: TextParts) -> int:
    """A tokenizer without a stated length claims 10^30; the encoder's positions are what counts then."""
    return int(min(parts.tokenizers[0].model_max_length, parts.encoders[0].config.max_position_embeddings))
