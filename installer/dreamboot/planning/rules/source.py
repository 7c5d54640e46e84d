"""The source answers, and may be used."""

from __future__ import annotations

from typing import Optional

from dreamboot.planning.question import Candidate, Objection, Question
from dreamboot.planning.rules import Rule, Way


def check(candidate: Candidate, question: Question) -> Optional[Objection]:
    """Unreachable, offline, or forbidden by pip's own configuration."""
    if not candidate.source_fault:
        return None
    where = candidate.source or candidate.url or "the default index"
    return Objection(
        reason=f"{candidate.kind.value}: {candidate.source_fault}",
        remedy="leave --offline out, or name a folder with the wheels in pip's find-links"
        if question.wish.offline
        else f"make {where} reachable, or name a mirror with --torch-index, "
        "or a folder with the wheel in pip's find-links",
    )


RULE = Rule(id="source", order=50, way=Way.SOURCE, why="What can't be fetched can't be installed.", check=check)
