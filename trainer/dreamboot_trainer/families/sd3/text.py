"""Prompts of SD 3.x: both CLIPs side by side, filled up with zeros to T5's width, then T5's words behind them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch

from dreamboot_trainer.families import TextParts
from dreamboot_trainer.families.sd1 import text as single
from dreamboot_trainer.families.sd1.text import HIDDEN
from dreamboot_trainer.families.sdxl.text import POOLED
from dreamboot_trainer.families.t5 import cut_off, ids_of

LONGEST = 256
"""Tokens of T5 (diffusers' StableDiffusion3Pipeline, max_sequence_length)."""
_IDS, _T5_IDS, _T5 = ("input_ids", "input_ids_2"), "input_ids_3", "t5"


def tokens(parts: TextParts, prompts: Sequence[str]) -> Mapping[str, torch.Tensor]:
    """`input_ids`, `input_ids_2` [B, L] and `input_ids_3` [B, L of T5]."""
    pairs = zip(_IDS, parts.tokenizers, parts.encoders, strict=False)
    found = {name: single.tokens(TextParts((t,), (e,)), prompts)[single.TOKENS] for name, t, e in pairs}
    if len(parts.tokenizers) == len(parts.encoders):
        found[_T5_IDS] = ids_of(parts.tokenizers[2], list(prompts), LONGEST)
    else:
        found[_T5_IDS] = torch.zeros(len(prompts), LONGEST, dtype=torch.int64)
    return found


def settled(encoders: Sequence[Any], tokens: Mapping[str, torch.Tensor]) -> Mapping[str, torch.Tensor]:
    """The CLIPs' tokens, and `t5` [B, L of T5, width]."""
    rows = {name: tokens[name] for name in _IDS}
    return {**rows, _T5: _words(encoders[2], tokens[_T5_IDS])}


def encode(encoders: Sequence[Any], tokens: Mapping[str, torch.Tensor]) -> Mapping[str, torch.Tensor]:
    """`hidden` [B, L + L of T5, width of T5] and `pooled` [B, both projections]."""
    answers = [
        encoder(tokens[name].to(encoder.device), output_hidden_states=True)
        for name, encoder in zip(_IDS, encoders, strict=False)
    ]
    words = tokens[_T5] if _T5 in tokens else _words(encoders[2], tokens[_T5_IDS])
    clip = torch.cat([answer.hidden_states[-2] for answer in answers], dim=-1)
    clip = torch.nn.functional.pad(clip, (0, words.shape[-1] - clip.shape[-1]))
    return {
        HIDDEN: torch.cat((clip, words.to(clip.device, clip.dtype)), dim=1),
        POOLED: torch.cat([answer.text_embeds for answer in answers], dim=-1),
    }


def too_long(parts: TextParts, prompt: str) -> int:
    """Tokens of the prompt that T5, which reads furthest, does not see; without T5, the CLIPs."""
    if len(parts.tokenizers) == len(parts.encoders):
        return cut_off(parts.tokenizers[2], prompt, LONGEST)
    pairs = zip(parts.tokenizers, parts.encoders, strict=False)
    return max(single.too_long(TextParts((t,), (e,)), prompt) for t, e in pairs)


def _words(encoder: Any, ids: torch.Tensor) -> torch.Tensor:
    words: torch.Tensor = encoder(ids.to(encoder.device))[0]
    return words
