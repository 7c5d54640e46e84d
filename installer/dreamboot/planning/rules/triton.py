"""Where triton is pinned, only builds that go with that triton."""

from __future__ import annotations

from typing import Optional

from packaging.requirements import Requirement

from dreamboot.planning.pins import allows
from dreamboot.planning.question import Candidate, Objection, Question
from dreamboot.planning.rules import Rule, Way

NAME = "triton"


def check(candidate: Candidate, question: Question) -> Optional[Objection]:
    """torch's CUDA builds for Linux name one triton in their metadata; its CPU builds name none."""
    pin = question.pins.get(NAME)
    if pin is None:
        return None
    leave = f"leave --pin {pin} out"
    if question.machine.os != "linux":
        instead = ": --pin triton-windows is its counterpart" if question.machine.os == "windows" else ""
        return Objection(reason=f"--pin {pin}: triton has wheels for Linux only", remedy=leave + instead)
    if candidate.tag.startswith(("rocm", "xpu")):
        return Objection(reason=f"--pin {pin}: the {candidate.tag} build brings a triton of its own", remedy=leave)
    release = question.catalog.release(candidate.version)
    own = release.triton if release and candidate.tag.startswith("cu") else ""
    if not own or any(allows(pin, version) for version in _versions(own)):
        return None
    return Objection(reason=f"--pin {pin}: torch {candidate.version} asks for triton {own}", remedy=leave)


def _versions(own: str) -> tuple:  # type: ignore[type-arg]
    """The versions that torch's own requirement may mean: "~=3.8.0" any of 3.8.*, "==3.7.1" that one."""
    part = next(iter(Requirement(f"x{own}").specifier))
    if part.operator == "==":
        return (part.version,)
    stem = part.version.rpartition(".")[0]
    return tuple(f"{stem}.{patch}" for patch in range(20) if part.contains(f"{stem}.{patch}"))


RULE = Rule(id="triton", order=92, way=Way.ARGUMENT, why="torch is compiled for one triton.", check=check)
