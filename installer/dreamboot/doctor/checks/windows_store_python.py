"""The Python is not that of the Microsoft Store."""

from __future__ import annotations

from dreamboot.doctor.check import Case, Check, Outcome, manual, ok, warning
from dreamboot.doctor.facts.values import Facts, Target
from dreamboot.model import Machine, Status


def applies(facts: Facts) -> bool:
    """On Windows."""
    return facts.machine.os == "windows"


def run(facts: Facts) -> Outcome:
    """Its files lie in WindowsApps, where nothing may be written."""
    target = facts.target
    if target.kind == "store" or "WindowsApps" in target.base or "PythonSoftwareFoundation" in target.base:
        return warning(
            "This is the Python of the Microsoft Store.",
            "It redirects what programs write, and some packages can't find their files.",
            manual("winget install Python.Python.3.11", "a Python from python.org; make the environment anew with it"),
        )
    return ok("not the Store's Python")


CHECK = Check(
    id="windows-store-python",
    area="windows",
    why="The Store's Python is shut into a box.",
    run=run,
    applies=applies,
    cases=("py-dataclass-store-python",),
    examples=(
        Case(facts=Facts(machine=Machine(os="windows")), expect=Status.OK),
        Case(facts=Facts(machine=Machine(os="windows"), target=Target(kind="store")), expect=Status.WARNING),
    ),
)
