"""torchvision: only when it is wanted."""

from __future__ import annotations

from dreamboot.planning.companions import Addition, Chosen
from dreamboot.planning.partners import partner, without

NAME = "torchvision"


def decide(chosen: Chosen) -> Addition:
    """Training does not need it."""
    asked = chosen.question.wish.torchvision or NAME in chosen.question.pins
    if not asked and NAME not in chosen.stack.packages:
        return without(NAME, "training does not need it")
    return partner(chosen, NAME, lambda release: release.torchvision)
