"""The build holds machine code, or PTX, for every GPU that will be used."""

from __future__ import annotations

from typing import Optional

from dreamboot.catalog.versions import numbers
from dreamboot.planning.question import Candidate, Card, Objection, Question
from dreamboot.planning.rules import Rule, Way


def runs_code(candidate: Candidate, capability: str) -> bool:
    """Machine code for X.y runs on X.z with z >= y, and never on another major."""
    major, minor = _pair(capability)
    return any(_pair(code)[0] == major and _pair(code)[1] <= minor for code in candidate.code)


def compiles_ptx(candidate: Candidate, capability: str) -> bool:
    """PTX for X.y can be compiled by the driver for anything from X.y on."""
    return any(_pair(ptx) <= _pair(capability) for ptx in candidate.ptx)


def _pair(capability: str) -> tuple:  # type: ignore[type-arg]
    parts = numbers(capability)
    return (parts[0], parts[1] if len(parts) > 1 else 0) if parts else (0, 0)


def check(candidate: Candidate, question: Question) -> Optional[Objection]:
    """Judged before the driver: a build without code for the GPU fails with any driver."""
    if question.target.device != "cuda" or not candidate.tag.startswith("cu"):
        return None
    if not candidate.known:
        return Objection(reason=f"the catalog does not know what {candidate.version}+{candidate.tag} was compiled for")
    for card in question.target.cards:
        capability = card.compute_capability
        if not runs_code(candidate, capability) and not compiles_ptx(candidate, capability):
            return Objection(reason=_reason(candidate, card))
    return None


def _reason(candidate: Candidate, card: Card) -> str:
    return (
        f"no machine code for {card.gpu.name}: it has compute capability {card.compute_capability}, "
        f"the build was compiled for {' '.join(candidate.code)}"
    )


RULE = Rule(
    id="compute-capability",
    order=20,
    way=Way.NONE,
    why="Without machine code for the GPU every kernel fails with 'no kernel image is available'.",
    check=check,
)
