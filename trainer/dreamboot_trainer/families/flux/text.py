"""Prompts of FLUX.1: T5's words, and CLIP's one vector for the whole prompt."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch

from dreamboot_trainer.families import TextParts
from dreamboot_trainer.families.sd1 import text as single
from dreamboot_trainer.families.sd1.text import HIDDEN
from dreamboot_trainer.families.sdxl.text import POOLED
from dreamboot_trainer.families.t5 import cut_off, ids_of

LONGEST = 512
"""Tokens of T5 (Black Forest Labs' release, flux/util.py: 512 for dev; schnell was made with 256 and takes both)."""
_CLIP_IDS, _T5_IDS = single.TOKENS, "input_ids_2"


def tokens(parts: TextParts, prompts: Sequence[str]) -> Mapping[str, torch.Tensor]:
    """`input_ids` [B, L] for CLIP and `input_ids_2` [B, L of T5]."""
    clip = single.tokens(TextParts(parts.tokenizers[:1], parts.encoders[:1]), prompts)
    return {**clip, _T5_IDS: ids_of(parts.tokenizers[1], list(prompts), LONGEST)}


def settled(encoders: Sequence[Any], tokens: Mapping[str, torch.Tensor]) -> Mapping[str, torch.Tensor]:
    """CLIP's tokens, and `hidden` [B, L of T5, width]."""
    return {_CLIP_IDS: tokens[_CLIP_IDS], HIDDEN: _words(encoders[1], tokens[_T5_IDS])}


def encode(encoders: Sequence[Any], tokens: Mapping[str, torch.Tensor]) -> Mapping[str, torch.Tensor]:
    """`hidden` [B, L of T5, width] and `pooled` [B, CLIP's width]."""
    pooled = encoders[0](tokens[_CLIP_IDS].to(encoders[0].device)).pooler_output
    words = tokens[HIDDEN] if HIDDEN in tokens else _words(encoders[1], tokens[_T5_IDS])
    return {HIDDEN: words, POOLED: pooled}


def too_long(parts: TextParts, prompt: str) -> int:
    """Tokens of the prompt that T5 does not see; CLIP only sums the prompt up."""
    return cut_off(parts.tokenizers[1], prompt, LONGEST)


def _words(encoder: Any, ids: torch.Tensor) -> torch.Tensor:
    words: torch.Tensor = encoder(ids.to(encoder.device))[0]
    return words
