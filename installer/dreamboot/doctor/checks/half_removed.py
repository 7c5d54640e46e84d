"""No package was left half removed."""

from __future__ import annotations

from dreamboot.doctor.check import Case, Check, Outcome, error, manual, ok, remove, warning
from dreamboot.doctor.facts.values import Facts, Torch
from dreamboot.model import Status


def run(facts: Facts) -> Outcome:
    """Folders that begin with ~ are what pip could not remove."""
    if not facts.leftovers:
        return ok("no leftovers")
    names = ", ".join(path.replace("\\", "/").rsplit("/", 1)[-1] for path in facts.leftovers[:4])
    step = remove(*facts.leftovers, why="moves the leftovers out of the environment")
    cause = f"pip renamed {names} while it replaced a package, and could not finish: a file was in use."
    if facts.torch is None and any("~orch" in path for path in facts.leftovers):
        return error(
            "torch is only half removed.",
            cause,
            step,
            manual("uv pip install --reinstall torch", "installs torch again; close every Python first"),
        )
    return warning("A package was left half removed.", cause, step)


CHECK = Check(
    id="half-removed",
    area="corrupted-install",
    why="Leftovers confuse pip ('Ignoring invalid distribution') and are a sign that the last installation failed.",
    run=run,
    cases=("cor-invalid-distribution",),
    examples=(
        Case(facts=Facts(), expect=Status.OK),
        Case(facts=Facts(leftovers=("/v/~orch-2.1.0.dist-info",), torch=Torch(version="2.1.0")), expect=Status.WARNING),
        Case(facts=Facts(leftovers=("/v/~orch",)), expect=Status.ERROR),
    ),
)
