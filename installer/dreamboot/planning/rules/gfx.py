"""The ROCm build holds code for the AMD GPU, natively or by a legitimate override."""

from __future__ import annotations

from typing import Optional

from dreamboot.planning.question import Candidate, Card, Objection, Question
from dreamboot.planning.rules import Rule, Way


def check(candidate: Candidate, question: Question) -> Optional[Objection]:
    """Unknown targets are refused: code for another gfx gives garbage or a crash."""
    if question.target.device != "rocm" or not candidate.tag.startswith("rocm"):
        return None
    for card in question.target.cards:
        objection = _card(candidate, card, question)
        if objection is not None:
            return objection
    overrides = {override_of(card, candidate, question) for card in question.target.cards}
    if len(overrides) > 1:
        return Objection(reason="the GPUs need different HSA_OVERRIDE_GFX_VERSION values, and one process has one")
    return None


def _card(candidate: Candidate, card: Card, question: Question) -> Optional[Objection]:
    if not card.gfx:
        return Objection(
            reason=f"the gfx target of {card.gpu.name} is not known",
            remedy="state gfx (rocminfo | grep gfx) in a file for --assume",
        )
    row = question.catalog.amd(card.gfx)
    if row is None:
        return Objection(reason=f"the catalog does not know {card.gfx}")
    if candidate.tag in row.tags or override_of(card, candidate, question):
        return None
    have = f"builds with code for it: {', '.join(row.tags)}" if row.tags else "no build of the PyTorch index has any"
    return Objection(reason=f"{candidate.tag} has no code for {card.gfx} ({row.family}); {have}")


def override_of(card: Card, candidate: Candidate, question: Question) -> str:
    """HSA_OVERRIDE_GFX_VERSION with which this build runs on the card: Linux, same family, and only where needed."""
    row = question.catalog.amd(card.gfx)
    if row is None or candidate.tag in row.tags or not row.override or question.machine.os != "linux":
        return ""
    stand_in = question.catalog.amd(row.override_gfx)
    return row.override if stand_in is not None and candidate.tag in stand_in.tags else ""


RULE = Rule(
    id="gfx",
    order=20,
    way=Way.NONE,
    why="ROCm kernels are compiled per gfx target; there is nothing like PTX.",
    check=check,
)
