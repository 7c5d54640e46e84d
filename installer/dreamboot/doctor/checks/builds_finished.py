"""Every build that was begun in this home was finished."""

from __future__ import annotations

from dreamboot.doctor.check import Case, Check, Outcome, info, manual, ok, warning
from dreamboot.doctor.facts.values import Facts, UnfinishedBuild
from dreamboot.model import FixStep, Status


def applies(facts: Facts) -> bool:
    """This home was asked about; an image has none."""
    return facts.unfinished_builds is not None


def run(facts: Facts) -> Outcome:
    """Without any generation that works it is a warning; beside one it only takes room."""
    builds = facts.unfinished_builds or ()
    without = [build for build in builds if build.in_use is None]
    if without:
        names = ", ".join(build.environment for build in without)
        return warning(
            "A build was begun and not finished.",
            f"The environment {names} has no generation that was seen working.",
            *(_step(build) for build in without),
        )
    if builds:
        told = ", ".join(f"{build.environment} (generation {build.generation})" for build in builds)
        return info(
            f"begun and not finished: {told}; the generation before stays in use",
            tuple(_step(build) for build in builds),
        )
    return ok("every build was finished")


def _step(build: UnfinishedBuild) -> FixStep:
    named = "" if build.environment == "default" else f" --env {build.environment}"
    return manual(f"dreamboot build --yes{named}", "goes on where it stopped; what was fetched is kept")


CHECK = Check(
    id="builds-finished",
    area="corrupted-install",
    why="After a kill or a power cut the same command goes on; until then the environment can't be used.",
    run=run,
    applies=applies,
    examples=(
        Case(facts=Facts(), expect=Status.OMITTED),
        Case(facts=Facts(unfinished_builds=()), expect=Status.OK),
        Case(
            facts=Facts(unfinished_builds=(UnfinishedBuild(environment="default", generation=1),)),
            expect=Status.WARNING,
        ),
        Case(
            facts=Facts(unfinished_builds=(UnfinishedBuild(environment="cuda", generation=3, in_use=2),)),
            expect=Status.INFO,
        ),
    ),
)
