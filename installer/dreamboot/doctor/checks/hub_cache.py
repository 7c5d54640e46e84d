"""The hub's cache holds no unfinished downloads."""

# ruff: noqa: E501 - sentences and commands are kept whole

from __future__ import annotations

from dreamboot.doctor.check import Case, Check, Outcome, error, info, ok, remove
from dreamboot.doctor.facts.values import Facts, Hub
from dreamboot.model import Status


def run(facts: Facts) -> Outcome:
    """Broken links are models that will not load; .incomplete files are resumed by the next download."""
    if facts.hub.broken:
        return error(
            "The hub's cache links to files that are gone.",
            f"{facts.hub.broken[0]} leads nowhere ({len(facts.hub.broken)} such links).",
            remove(*facts.hub.broken, why="removes the dead links; the files are fetched again when needed"),
        )
    if facts.hub.incomplete:
        return info(
            f"{len(facts.hub.incomplete)} unfinished downloads in {facts.hub.home}: they go on when the model is asked for again"
        )
    return ok("no unfinished downloads")


CHECK = Check(
    id="hub-cache",
    area="model-files",
    why="An interrupted download or a half deleted cache looks like a damaged model.",
    run=run,
    examples=(
        Case(facts=Facts(), expect=Status.OK),
        Case(facts=Facts(hub=Hub(home="/h", incomplete=("/h/x.incomplete",))), expect=Status.INFO),
        Case(facts=Facts(hub=Hub(home="/h", broken=("/h/snapshots/x",))), expect=Status.ERROR),
    ),
)
