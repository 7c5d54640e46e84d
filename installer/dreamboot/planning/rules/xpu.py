"""Intel GPUs: the first torch that supports the device, on a system that its driver supports."""

from __future__ import annotations

import re
from typing import Optional

from dreamboot.catalog.versions import at_least
from dreamboot.planning.question import Candidate, Objection, Question
from dreamboot.planning.rules import Rule, Way


def check(candidate: Candidate, question: Question) -> Optional[Objection]:
    """XPU builds exist for Linux and Windows on x86_64."""
    if question.target.device != "xpu":
        return None
    for card in question.target.cards:
        for row in question.catalog.table("intel"):
            if re.search(row.pattern, card.gpu.name, re.IGNORECASE):
                if row.first_torch and not at_least(candidate.version, row.first_torch):
                    return Objection(reason=f"{row.what} is supported from torch {row.first_torch}")
                break
    return None


RULE = Rule(id="xpu", order=20, way=Way.NONE, why="Older builds do not know the device.", check=check)
