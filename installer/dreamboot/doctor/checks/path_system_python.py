"""Packages are not put into the system's own Python."""

from __future__ import annotations

from dreamboot.doctor.check import Case, Check, Outcome, info, manual, ok
from dreamboot.doctor.facts.values import Facts, Target
from dreamboot.model import Status


def run(facts: Facts) -> Outcome:
    """PEP 668."""
    if facts.target.externally_managed:
        return info(
            "this Python belongs to the operating system: pip refuses to change it",
            fix=(manual("python3 -m venv venv", "makes an environment of its own"),),
        )
    return ok("not managed by the operating system")


CHECK = Check(
    id="path-system-python",
    area="path-leak",
    why="pip stops with 'externally-managed-environment' there.",
    run=run,
    cases=("venv-pep668",),
    examples=(
        Case(facts=Facts(), expect=Status.OK),
        Case(facts=Facts(target=Target(kind="system", externally_managed=True)), expect=Status.INFO),
    ),
)
