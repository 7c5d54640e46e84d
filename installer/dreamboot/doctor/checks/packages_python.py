"""Every package of the training stack accepts this Python."""

from __future__ import annotations

from dreamboot.doctor.check import Case, Check, Outcome, error, install, ok
from dreamboot.doctor.facts.integrity import WATCHED
from dreamboot.doctor.facts.values import Facts, Package, Target
from dreamboot.doctor.versions import within
from dreamboot.model import Status


def run(facts: Facts) -> Outcome:
    """Requires-Python of what is installed; old timm says nothing, and breaks on 3.11."""
    for package in facts.packages:
        if (
            package.name in WATCHED
            and package.requires_python
            and facts.target.version
            and not within(_full(facts), package.requires_python)
        ):
            return error(
                f"{package.name} does not support this Python.",
                f"Expected Python {package.requires_python}, found {facts.target.version}.",
                install(facts, package.name),
            )
    timm = facts.version("timm")
    if timm and within(timm, "<0.9") and within(_full(facts), ">=3.11"):
        return error(
            "timm is too old for this Python.",
            f"Expected timm 0.9 or later on Python {facts.target.version}, found {timm}.",
            install(facts, "timm>=0.9"),
        )
    return ok("all packages accept this Python")


def _full(facts: Facts) -> str:
    return facts.target.version if facts.target.version.count(".") > 1 else facts.target.version + ".9"


CHECK = Check(
    id="packages-python",
    area="python-version",
    why="A package on a Python that it was not made for fails when it is imported.",
    run=run,
    requires=("python-version",),
    cases=("py-dataclass-store-python",),
    examples=(
        Case(
            facts=Facts(
                target=Target(version="3.11.7"),
                packages=(Package(name="torch", version="2.11", requires_python=">=3.10"),),
            ),
            expect=Status.OK,
        ),
        Case(
            facts=Facts(
                target=Target(version="3.9.18"),
                packages=(Package(name="diffusers", version="0.42", requires_python=">=3.11"),),
            ),
            expect=Status.ERROR,
        ),
        Case(
            facts=Facts(target=Target(version="3.12.1"), packages=(Package(name="timm", version="0.6.12"),)),
            expect=Status.ERROR,
        ),
    ),
)
