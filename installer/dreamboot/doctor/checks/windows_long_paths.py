"""Windows allows long paths."""

from __future__ import annotations

from dreamboot.doctor.check import Case, Check, Outcome, manual, ok, warning
from dreamboot.doctor.facts.values import Facts
from dreamboot.model import Machine, Status


def applies(facts: Facts) -> bool:
    """On Windows."""
    return facts.machine.os == "windows" and facts.machine.long_paths is not None


def run(facts: Facts) -> Outcome:
    """The registry's LongPathsEnabled."""
    if facts.machine.long_paths:
        return ok("long paths are allowed")
    return warning(
        "Windows ends paths at 260 characters.",
        "Some wheels hold deeper folders; installing them then fails half way.",
        manual(
            "reg add HKLM\\SYSTEM\\CurrentControlSet\\Control\\FileSystem /v LongPathsEnabled /t REG_DWORD /d 1 /f",
            "in a console that was started as administrator: allows long paths",
        ),
        link="https://pip.pypa.io/warnings/enable-long-paths",
    )


CHECK = Check(
    id="windows-long-paths",
    area="windows",
    why="Some wheels hold paths over 260 characters; installing them then fails half way.",
    run=run,
    applies=applies,
    examples=(
        Case(facts=Facts(machine=Machine(os="windows", long_paths=False)), expect=Status.WARNING),
        Case(facts=Facts(machine=Machine(os="windows", long_paths=True)), expect=Status.OK),
    ),
)
