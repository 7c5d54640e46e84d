"""The version satisfies the constraints of pip's own configuration."""

from __future__ import annotations

from typing import Optional

from dreamboot.planning.pins import allows
from dreamboot.planning.question import Candidate, Objection, Question
from dreamboot.planning.rules import Rule, Way


def check(candidate: Candidate, question: Question) -> Optional[Objection]:
    """Whoever runs this machine wrote them for a reason; uv alone would not see them."""
    for requirement in question.constraints.get("torch", ()):
        if not allows(requirement, candidate.version, candidate.tag):
            return Objection(
                reason=f"pip's constraint {requirement} forbids it",
                remedy=f"change the constraint {requirement} in pip's configuration (pip config list names the file)",
            )
    return None


RULE = Rule(
    id="constraint",
    order=80,
    way=Way.CONFIGURATION,
    why="The machine's own configuration is honoured.",
    check=check,
)
