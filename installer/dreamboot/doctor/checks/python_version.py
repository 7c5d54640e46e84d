"""torch has builds for this Python."""

# ruff: noqa: E501 - sentences and commands are kept whole

from __future__ import annotations

from dreamboot import catalog
from dreamboot.catalog.versions import numbers
from dreamboot.doctor.check import Case, Check, Outcome, error, info, manual, ok, warning
from dreamboot.doctor.facts.values import Extension, Facts, Target, Torch
from dreamboot.model import Status

NEW = manual("uv venv --python 3.11 venv", "makes an environment with a Python that torch supports")


def run(facts: Facts) -> Outcome:
    """The installed torch's own list, else that of any torch that the trainer runs on."""
    target = facts.target
    if not target.version:
        return info("the version of this Python is not known")
    if target.bits == 32:
        return error("This Python is a 32-bit one.", "torch has no builds for 32 bits.", NEW)
    compiled = facts.extension("torch")
    if compiled is not None and compiled.python_tags and target.minor not in compiled.python_tags:
        return error(
            "The installed torch is compiled for another Python.",
            f"Expected Python {compiled.python_tags[0]}, found {target.minor}: its files were copied from another environment.",
            NEW,
        )
    releases = catalog.load().releases
    known = sorted({one for release in releases for one in release.python}, key=numbers)
    if facts.torch is None and numbers(target.minor) > numbers(known[-1]):
        return warning(
            "This Python is newer than torch.", f"Expected at most {known[-1]}, found {target.version}.", NEW
        )
    if facts.torch is None and numbers(target.minor) < numbers(releases[-1].python[0]):
        return warning(
            "This Python is too old for today's torch.",
            f"torch {releases[-1].torch} wants {releases[-1].python[0]} or later, found {target.version}.",
            NEW,
        )
    return ok(f"Python {target.version}")


CHECK = Check(
    id="python-version",
    area="python-version",
    why="pip finds 'no matching distribution' for a Python that a torch has no builds for.",
    run=run,
    requires=("python-works",),
    cases=("py-311-old-torch", "py-312-torch-212", "py-313-conda-kohya"),
    examples=(
        Case(facts=Facts(target=Target(version="3.11.7")), expect=Status.OK),
        Case(facts=Facts(target=Target(version="3.11.7", bits=32)), expect=Status.ERROR),
        Case(facts=Facts(target=Target(version="3.7.9")), expect=Status.WARNING),
        Case(
            facts=Facts(
                target=Target(version="3.12.1"),
                torch=Torch(version="2.1.2"),
                extensions=(Extension(name="torch", python_tags=("3.10",)),),
            ),
            expect=Status.ERROR,
        ),
    ),
)
