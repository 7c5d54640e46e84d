"""The build computes on the device that is planned for."""

from __future__ import annotations

from typing import Optional

from dreamboot.model import SourceKind
from dreamboot.planning.question import Candidate, Objection, Question
from dreamboot.planning.rules import Rule, Way

_FAMILY = {"cuda": "cu", "rocm": "rocm", "xpu": "xpu", "mps": "mps"}


def check(candidate: Candidate, question: Question) -> Optional[Objection]:
    """A CUDA build also computes on a CPU; it is taken there only from a source that has no CPU build."""
    device, tag = question.target.device, candidate.tag
    if device != "cpu":
        if tag.startswith(_FAMILY[device]) and tag != "cpu":
            return None
        return Objection(reason=f"the build {tag or 'without a name'} does not compute on {device}")
    if tag in ("cpu", "mps"):
        return None
    if tag.startswith("cu") and candidate.kind is not SourceKind.PYTORCH_INDEX:
        return None
    return Objection(reason=f"the build {tag} is for a GPU, and the plan is for the CPU")


RULE = Rule(id="device", order=10, way=Way.NONE, why="A build for another device can't use this one.", check=check)
