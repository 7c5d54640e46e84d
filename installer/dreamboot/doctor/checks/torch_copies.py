"""Only one torch lies on the path of this Python."""

from __future__ import annotations

from dreamboot.doctor.check import Case, Check, Outcome, manual, ok, warning
from dreamboot.doctor.facts.values import Facts, Torch
from dreamboot.model import Status


def run(facts: Facts) -> Outcome:
    """Several copies: the first is imported, and pip may update another."""
    copies = facts.torch_copies
    if len(copies) < 2:
        return ok("one torch" if copies else "no torch")
    listed = "; ".join(f"{one.version or 'unknown'} in {one.site}" for one in copies)
    return warning(
        "Several copies of torch lie on this Python's path.",
        f"Imported is {copies[0].version} from {copies[0].site}. All: {listed}.",
        manual(
            "export PYTHONNOUSERSITE=1; unset PYTHONPATH",
            "leaves the user folder and PYTHONPATH out; then update torch with this environment's own pip",
        ),
    )


CHECK = Check(
    id="torch-copies",
    area="path-leak",
    why="With two copies the one that was updated is not always the one that is imported.",
    run=run,
    requires=("path-python-variables",),
    cases=("cc-5070ti-wrong-python",),
    examples=(
        Case(facts=Facts(torch_copies=(Torch(version="2.11.0", site="/a"),)), expect=Status.OK),
        Case(
            facts=Facts(torch_copies=(Torch(version="2.6.0", site="/a"), Torch(version="2.11.0", site="/b"))),
            expect=Status.WARNING,
        ),
    ),
)
