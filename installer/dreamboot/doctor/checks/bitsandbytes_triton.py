"""bitsandbytes and triton go together."""

from __future__ import annotations

from dreamboot.doctor.check import Case, Check, Outcome, error, install, ok
from dreamboot.doctor.facts.values import Facts, Package
from dreamboot.doctor.versions import within
from dreamboot.model import Status


def applies(facts: Facts) -> bool:
    """Both are there."""
    return bool(facts.version("bitsandbytes") and (facts.version("triton") or facts.version("triton-windows")))


def run(facts: Facts) -> Outcome:
    """triton 3.2 removed triton.ops, which bitsandbytes before 0.45.1 imports."""
    triton = facts.version("triton") or facts.version("triton-windows")
    have = facts.version("bitsandbytes")
    if within(triton, ">=3.2") and within(have, "<0.45.1"):
        return error(
            "bitsandbytes is too old for triton.",
            f"Expected bitsandbytes 0.45.1 or later beside triton {triton}, found {have}.",
            install(facts, "bitsandbytes>=0.45.1"),
        )
    return ok(f"bitsandbytes {have} with triton {triton}")


def _facts(bnb: str, triton: str) -> Facts:
    return Facts(packages=(Package(name="bitsandbytes", version=bnb), Package(name="triton", version=triton)))


CHECK = Check(
    id="bitsandbytes-triton",
    area="bitsandbytes",
    why="The import then fails with: No module named 'triton.ops'.",
    run=run,
    applies=applies,
    cases=("bnb-triton-ops",),
    examples=(
        Case(facts=_facts("0.44.1", "3.2.0"), expect=Status.ERROR),
        Case(facts=_facts("0.50.2", "3.5.0"), expect=Status.OK),
    ),
)
