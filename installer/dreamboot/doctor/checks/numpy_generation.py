"""torch was compiled for the NumPy that is installed."""

from __future__ import annotations

from dreamboot.doctor.check import Case, Check, Outcome, error, install, ok
from dreamboot.doctor.facts.values import Facts, Package, Torch
from dreamboot.doctor.versions import within
from dreamboot.model import Machine, Status


def applies(facts: Facts) -> bool:
    """Both are there."""
    return facts.torch is not None and bool(facts.version("numpy"))


def run(facts: Facts) -> Outcome:
    """torch 2.3 was the first for NumPy 2; on Windows 2.4.1. OpenCV needs 4.10."""
    numpy, torch = facts.version("numpy"), facts.torch.version if facts.torch else ""
    oldest = "2.4.1" if facts.machine.os == "windows" else "2.3"
    if within(numpy, ">=2") and within(torch, f"<{oldest}"):
        return error(
            "torch was compiled for NumPy 1.",
            f"Expected numpy<2 beside torch {torch}, found {numpy}.",
            install(facts, "numpy<2"),
            link="https://github.com/pytorch/pytorch/issues/107302",
        )
    for name in ("opencv-python", "opencv-python-headless"):
        if facts.version(name) and within(numpy, ">=2") and within(facts.version(name), "<4.10"):
            return error(
                f"{name} was compiled for NumPy 1.",
                f"Expected numpy<2 or {name} 4.10, found numpy {numpy} and {name} {facts.version(name)}.",
                install(facts, "numpy<2"),
            )
    return ok(f"numpy {numpy} with torch {torch}")


def _facts(torch: str, numpy: str, os: str = "linux") -> Facts:
    return Facts(torch=Torch(version=torch), packages=(Package(name="numpy", version=numpy),), machine=Machine(os=os))


CHECK = Check(
    id="numpy-generation",
    area="abi",
    why="'compiled using NumPy 1.x cannot be run in NumPy 2': torch then can't exchange arrays with NumPy.",
    run=run,
    applies=applies,
    requires=("torch-found",),
    cases=("np2-torch", "np2-embedded"),
    examples=(
        Case(facts=_facts("2.11.0+cpu", "2.2.6"), expect=Status.OK),
        Case(facts=_facts("2.3.1", "2.0.0"), expect=Status.OK),
        Case(facts=_facts("2.2.2", "2.1.3"), expect=Status.ERROR),
        Case(facts=_facts("2.4.0", "2.1.0", "windows"), expect=Status.ERROR),
    ),
)
