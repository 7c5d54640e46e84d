"""The wheel is for this operating system, processor and C library."""

from __future__ import annotations

from typing import Optional

from dreamboot.catalog.versions import at_least
from dreamboot.planning.question import Candidate, Objection, Question
from dreamboot.planning.rules import Rule, Way


def check(candidate: Candidate, question: Question) -> Optional[Objection]:
    """glibc by version; musl never; macOS by version; Tegra boards have builds of NVIDIA's own."""
    machine = question.machine
    if candidate.unfit:
        return Objection(reason=candidate.unfit)
    if machine.os == "linux":
        return _linux(candidate, question)
    if machine.os == "macos" and machine.os_version and candidate.macos:
        if not at_least(machine.os_version, candidate.macos):
            return Objection(
                reason=f"the wheel needs macOS {candidate.macos}, this is {machine.os_version}",
                remedy=f"update macOS to {candidate.macos} or newer",
            )
    return None


def _linux(candidate: Candidate, question: Question) -> Optional[Objection]:
    machine = question.machine
    if machine.libc == "musl":
        return Objection(
            reason="torch has no wheels for musl (Alpine)",
            remedy="use a glibc system: Debian, Ubuntu, Fedora, or a container of one",
        )
    if machine.libc_version and candidate.glibc and not at_least(machine.libc_version, candidate.glibc):
        return Objection(
            reason=f"the wheel needs glibc {candidate.glibc}, this system has {machine.libc_version}",
            remedy=f"use a newer distribution (glibc {candidate.glibc}: Debian 10, Ubuntu 20.04, RHEL 8 and later), "
            "or a container of one",
        )
    if machine.arch == "aarch64" and any(card.compute_capability in _TEGRA for card in question.target.cards):
        return Objection(
            reason="a Jetson board needs the builds that NVIDIA makes for its own Linux (L4T)",
            remedy="follow NVIDIA's instructions for PyTorch on Jetson",
        )
    return None


# Tegra processors: Nano/TX1, TX2, Xavier, Orin. https://developer.nvidia.com/cuda-gpus (Jetson)
_TEGRA = ("5.3", "6.2", "7.2", "8.7")

RULE = Rule(id="platform", order=40, way=Way.SYSTEM, why="A wheel for another system can't be installed.", check=check)
