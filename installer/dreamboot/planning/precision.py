"""The number format of training: bf16 where the hardware has it, fp16 below, fp32 where fp16 gives NaN."""

from __future__ import annotations

from dreamboot.model import Choice
from dreamboot.planning.question import Target


def mixed_precision(target: Target, profile: str = "") -> Choice:
    """One format for all cards of a run: the weakest decides. A profile of 2022 knows no bf16."""

    def choice(value: str, reason: str) -> Choice:
        return Choice(topic="mixed_precision", value=value, reason=reason)

    if target.device == "cpu":
        return choice("no", "on a CPU, attention's backward pass in bf16 is about ten times slower than in fp32")
    if target.device == "mps":
        return choice("no", "autocast with gradient scaling is not supported on Apple GPUs")
    broken = [card.gpu.name for card in target.cards if not card.fp16]
    if broken:
        return choice("no", f"{broken[0]} gives NaN or black images in fp16 (GTX 16xx)")
    old = [card for card in target.cards if not card.bf16]
    if not old and profile:
        return choice("fp16", f"the profile {profile} trains in fp16")
    if not old:
        return choice("bf16", "every card computes in bf16, which needs no loss scaling")
    code = old[0].compute_capability or old[0].gfx
    return choice("fp16", f"{old[0].gpu.name} ({code or 'unknown'}) has no bf16 hardware (from 8.0 on)")
