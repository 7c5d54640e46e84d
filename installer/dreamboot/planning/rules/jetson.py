"""Jetson boards before Thor have a Linux and builds of NVIDIA's own."""

from __future__ import annotations

from typing import Optional

from dreamboot.planning.question import Candidate, Objection, Question
from dreamboot.planning.rules import Rule, Way


def check(candidate: Candidate, question: Question) -> Optional[Objection]:
    """Judged before the compute capability: the builds for ARM servers do not load there, whatever they hold."""
    if question.machine.arch != "aarch64" or not candidate.tag.startswith("cu"):
        return None
    boards = {row.compute_capability for row in question.catalog.table("jetson")}
    if not any(card.compute_capability in boards for card in question.target.cards):
        return None
    return Objection(
        reason="a Jetson board needs the builds that NVIDIA makes for its own Linux (L4T)",
        remedy="follow NVIDIA's instructions for PyTorch on Jetson: "
        "https://docs.nvidia.com/deeplearning/frameworks/install-pytorch-jetson-platform/",
    )


RULE = Rule(id="jetson", order=15, way=Way.NONE, why="Builds for ARM servers expect another driver.", check=check)
