"""Prompts of SD 2.x: the folder's encoder ends at the layer that is wanted, so its last hidden state is taken."""

from __future__ import annotations

from dreamboot_trainer.families.sd1.text import encode, settled, tokens, too_long

__all__ = ["encode", "settled", "tokens", "too_long"]
