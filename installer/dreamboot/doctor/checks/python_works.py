"""The interpreter exists, and is one that torch has builds for."""

from __future__ import annotations

from dreamboot.doctor.check import Case, Check, Outcome, error, manual, ok
from dreamboot.doctor.facts.values import Facts, Target
from dreamboot.model import Status

ANEW = manual(
    "uv venv --python 3.11 venv && uv pip install --python venv -r requirements.txt", "makes the environment anew"
)


def run(facts: Facts) -> Outcome:
    """A virtual environment keeps paths to the Python it was made from."""
    target = facts.target
    if target.base_missing or not target.exists:
        gone = target.base if target.base_missing and target.base else target.python
        return error(
            "The environment's Python is gone.",
            f"{gone} does not exist any more: it was removed, updated, or the environment was moved.",
            ANEW,
        )
    return ok(f"Python {target.version} ({target.kind}) at {target.python}")


CHECK = Check(
    id="python-works",
    area="path-leak",
    why="Nothing in the environment can run without its interpreter.",
    run=run,
    examples=(
        Case(facts=Facts(target=Target(python="/v/bin/python", version="3.11.7")), expect=Status.OK),
        Case(
            facts=Facts(target=Target(python="/v/bin/python", base="/old/python3.10", base_missing=True)),
            expect=Status.ERROR,
        ),
    ),
)
