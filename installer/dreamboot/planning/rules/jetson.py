"""Jetson boards before Thor have a Linux and builds of NVIDIA's own."""

from __future__ import annotations

from typing import Optional

from dreamboot.planning.question import Candidate, Objection, Question
from dreamboot.planning.rules import Rule, Way

# Tegra processors: Nano/TX1, TX2, Xavier, Orin. https://developer.nvidia.com/cuda-gpus (Jetson)
_TEGRA = ("5.3", "6.2", "7.2", "8.7")


def check(candidate: Candidate, question: Question) -> Optional[Objection]:
    """Judged before the compute capability: the builds for ARM servers do not load there, whatever they hold."""
    jetson = any(card.compute_capability in _TEGRA for card in question.target.cards)
    if question.machine.arch != "aarch64" or not jetson or not candidate.tag.startswith("cu"):
        return None
    return Objection(
        reason="a Jetson board needs the builds that NVIDIA makes for its own Linux (L4T)",
        remedy="follow NVIDIA's instructions for PyTorch on Jetson: "
        "https://docs.nvidia.com/deeplearning/frameworks/install-pytorch-jetson-platform/",
    )


RULE = Rule(id="jetson", order=15, way=Way.NONE, why="Builds for ARM servers expect another driver.", check=check)
