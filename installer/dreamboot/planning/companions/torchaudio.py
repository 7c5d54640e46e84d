"""torchaudio: only when it is pinned."""

from __future__ import annotations

from dreamboot.planning.companions import Addition, Chosen
from dreamboot.planning.partners import partner

NAME = "torchaudio"


def decide(chosen: Chosen) -> Addition:
    """Nothing here needs it; its last release is the one for torch 2.11."""
    if NAME not in chosen.question.pins:
        return Addition()
    return partner(chosen, NAME, lambda release: release.torchaudio)
