"""pip is there."""

from __future__ import annotations

from dreamboot.doctor.check import Case, Check, Outcome, info, install, ok, warning
from dreamboot.doctor.facts.values import Facts, Package, Target
from dreamboot.model import Status


def run(facts: Facts) -> Outcome:
    """Environments that uv made do without."""
    if facts.version("pip"):
        return ok(f"pip {facts.version('pip')}")
    if facts.target.made_by_uv or facts.target.kind == "ours":
        return info("no pip: uv made this environment, and installs without it")
    return warning(
        "This environment has no pip.",
        "Launchers that call `python -m pip` fail: 'No module named pip'.",
        install(facts, "pip"),
    )


CHECK = Check(
    id="path-pip",
    area="path-leak",
    why="Most trainers call pip when they start.",
    run=run,
    requires=("python-works",),
    cases=("venv-no-pip",),
    examples=(
        Case(facts=Facts(packages=(Package(name="pip", version="25.0"),)), expect=Status.OK),
        Case(facts=Facts(target=Target(made_by_uv=True)), expect=Status.INFO),
        Case(facts=Facts(), expect=Status.WARNING),
    ),
)
