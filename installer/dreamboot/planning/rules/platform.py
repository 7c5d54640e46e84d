"""The wheel is for this operating system, processor and C library."""

from __future__ import annotations

from typing import Optional

from dreamboot.catalog.versions import at_least, numbers
from dreamboot.planning.question import Candidate, Objection, Question
from dreamboot.planning.rules import Rule, Way


def check(candidate: Candidate, question: Question) -> Optional[Objection]:
    """glibc by version; musl never; macOS by version."""
    machine = question.machine
    if candidate.unfit:
        return Objection(reason=candidate.unfit)
    if machine.os == "linux":
        return _linux(candidate, question)
    if machine.os == "windows" and question.target.device == "xpu":
        build = numbers(machine.os_version)[2:3]
        if build and build[0] < _WINDOWS_11:
            return Objection(reason=f"XPU builds need Windows 11, this is build {build[0]}", remedy="go to Windows 11")
    known = machine.os == "macos" and machine.os_version and candidate.macos
    if known and not at_least(machine.os_version, candidate.macos):
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
    need = _glibc(candidate, question)
    if machine.libc_version and need and not at_least(machine.libc_version, need):
        return Objection(
            reason=f"its wheels need glibc {need}, this system has {machine.libc_version}",
            remedy=f"use a newer distribution (glibc {need}: Debian 10, Ubuntu 20.04, RHEL 8 and later), "
            "or a container of one",
        )
    return None


def _glibc(candidate: Candidate, question: Question) -> str:
    """The newer of what torch's wheel needs and what the packages beside it need."""
    floor = "" if question.wish.profile else question.catalog.floor("glibc").oldest
    return floor if at_least(floor, candidate.glibc) else candidate.glibc


# The first build of Windows 11. XPU: https://docs.pytorch.org/docs/2.15/notes/get_start_xpu.html
_WINDOWS_11 = 22000

RULE = Rule(id="platform", order=40, way=Way.SYSTEM, why="A wheel for another system can't be installed.", check=check)
