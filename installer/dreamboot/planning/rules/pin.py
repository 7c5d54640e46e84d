"""The version is the one that was pinned."""

from __future__ import annotations

from typing import Optional

from dreamboot.planning.pins import allows
from dreamboot.planning.question import Candidate, Objection, Question
from dreamboot.planning.rules import Rule, Way


def check(candidate: Candidate, question: Question) -> Optional[Objection]:
    """`--pin` is honoured or refused, never bent."""
    pin = question.pins.get("torch")
    if pin is None or allows(pin, candidate.version, candidate.tag):
        return None
    return Objection(reason=f"--pin {pin} asks for another version", remedy=f"leave --pin {pin} out")


RULE = Rule(id="pin", order=90, way=Way.ARGUMENT, why="The user's word.", check=check)
