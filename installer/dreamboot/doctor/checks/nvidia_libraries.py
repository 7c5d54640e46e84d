"""The nvidia-* packages have the versions that torch names."""

# ruff: noqa: E501 - sentences and commands are kept whole

from __future__ import annotations

import re

from dreamboot.doctor.check import Case, Check, Outcome, error, install, ok
from dreamboot.doctor.facts.values import Facts, Package, Torch
from dreamboot.doctor.versions import within
from dreamboot.model import Status

_PIN = re.compile(r"^(nvidia-[a-z0-9-]+)\s*\(?==\s*([\w.]+)")


def applies(facts: Facts) -> bool:
    """torch pins CUDA libraries."""
    package = facts.package("torch")
    return package is not None and any(_PIN.match(one) for one in package.requires)


def run(facts: Facts) -> Outcome:
    """Compare each exact pin with what is installed; markers hold for other platforms, so what is missing is not judged."""
    package = facts.package("torch")
    assert package is not None  # noqa: S101 - applies() saw it
    wrong = []
    for line in package.requires:
        pin = _PIN.match(line)
        have = facts.version(pin.group(1)) if pin else ""
        if pin and have and not within(have, f"=={pin.group(2)}"):
            wrong.append((pin.group(1), pin.group(2), have))
    if not wrong:
        return ok("the CUDA libraries are those that torch names")
    name, want, have = wrong[0]
    return error(
        "torch's CUDA libraries have other versions than torch was built with.",
        f"Expected {name} {want}, found {have}" + (f" (and {len(wrong) - 1} more)." if len(wrong) > 1 else "."),
        install(facts, *(f"{name}=={want}" for name, want, _ in wrong)),
        link="https://github.com/pytorch/pytorch/issues/131312",
    )


def _facts(have: str) -> Facts:
    torch = Package(
        name="torch", version="2.5.1", requires=("nvidia-nvjitlink-cu12==12.4.127; platform_system == 'Linux'",)
    )
    return Facts(
        packages=(torch, Package(name="nvidia-nvjitlink-cu12", version=have)),
        torch=Torch(version="2.5.1+cu124", tag="cu124"),
    )


CHECK = Check(
    id="nvidia-libraries",
    area="cuda-wheel-mismatch",
    why="A library of another version lacks functions: 'undefined symbol: __nvJitLink…'.",
    run=run,
    applies=applies,
    requires=("torch-found",),
    cases=("cwm-nvjitlink-stale-wheel",),
    examples=(Case(facts=_facts("12.4.127"), expect=Status.OK), Case(facts=_facts("12.1.105"), expect=Status.ERROR)),
)
