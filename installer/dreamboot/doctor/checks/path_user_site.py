"""Packages of the user's folder do not mix in."""

from __future__ import annotations

from dreamboot.doctor.check import Case, Check, Outcome, manual, ok, warning
from dreamboot.doctor.facts.integrity import WATCHED
from dreamboot.doctor.facts.values import Facts, Package
from dreamboot.model import Status


def run(facts: Facts) -> Outcome:
    """Those of the training stack that lie in ~/.local come before the environment's own."""
    mixed = [package for package in facts.user_packages if package.name in WATCHED]
    if not mixed:
        return ok("no package of the training stack in the user's folder")
    listed = ", ".join(f"{package.name} {package.version}" for package in mixed[:4])
    return warning(
        "Packages of your user folder are imported first.",
        f"{mixed[0].site} holds {listed}.",
        manual("export PYTHONNOUSERSITE=1", "Python leaves the user folder out; put it into the launcher"),
    )


CHECK = Check(
    id="path-user-site",
    area="path-leak",
    why="What `pip install --user` once put there comes before the environment's own packages.",
    run=run,
    cases=("venv-user-site",),
    examples=(
        Case(facts=Facts(), expect=Status.OK),
        Case(
            facts=Facts(user_packages=(Package(name="numpy", version="1.24", site="/home/u/.local"),)),
            expect=Status.WARNING,
        ),
    ),
)
