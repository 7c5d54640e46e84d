"""The build's cuDNN has code for every GPU: torch's own code is not enough, convolutions are cuDNN's."""

from __future__ import annotations

from typing import Optional

from dreamboot.catalog.versions import at_least
from dreamboot.planning.question import Candidate, Objection, Question
from dreamboot.planning.rules import Rule, Way


def check(candidate: Candidate, question: Question) -> Optional[Objection]:
    """CUDA 11.8 builds name Kepler in their flags to the end, but from torch 2.4 on their cuDNN starts at Maxwell."""
    if question.target.device != "cuda" or not candidate.tag.startswith("cu"):
        return None
    for row in question.catalog.table("cudnn"):
        if not at_least(candidate.version, row.first):
            continue
        for card in question.target.cards:
            if not at_least(card.compute_capability, row.oldest_compute_capability):
                return Objection(
                    reason=f"it brings cuDNN {row.cudnn}, which has no code for {card.gpu.name} "
                    f"(compute capability {card.compute_capability}, needs {row.oldest_compute_capability})"
                )
    return None


RULE = Rule(id="cudnn", order=22, way=Way.NONE, why="Without cuDNN's code every convolution fails.", check=check)
