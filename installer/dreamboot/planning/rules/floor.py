"""The trainer runs on this torch."""

from __future__ import annotations

from typing import Optional

from dreamboot.catalog.versions import at_least
from dreamboot.planning.question import Candidate, Objection, Question
from dreamboot.planning.rules import Rule, Way


def check(candidate: Candidate, question: Question) -> Optional[Objection]:
    """A profile brings packages of its own time, and its own floor with them."""
    floor = question.catalog.floor("torch")
    if question.wish.profile or at_least(candidate.version, floor.oldest):
        return None
    return Objection(reason=f"below torch {floor.oldest}, the trainer's floor: {floor.why}")


RULE = Rule(
    id="trainer-floor",
    order=60,
    way=Way.TRAINER,
    why="An environment in which training can't start is worse than none.",
    check=check,
)
