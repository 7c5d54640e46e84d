"""triton: torch brings its own on Linux; on Windows a separate package pairs with it."""

from __future__ import annotations

from dreamboot.catalog.versions import numbers
from dreamboot.model import Choice
from dreamboot.planning.companions import Addition, Chosen

NAME = "triton-windows"


def decide(chosen: Chosen) -> Addition:
    """Without it only torch.compile is missing: training does not depend on it."""
    question, candidate = chosen.question, chosen.candidate
    if question.machine.os != "windows" or question.target.device != "cuda" or question.wish.profile:
        return Addition()
    minor = ".".join(candidate.version.split(".")[:2])
    tag = "cp" + chosen.interpreter.minor.replace(".", "")
    fitting = [row for row in question.catalog.table("triton_windows") if minor in row.torch and tag in row.python]
    if not fitting:
        reason = f"no release pairs with torch {minor} on Python {chosen.interpreter.minor}: torch.compile is not there"
        return Addition(because=Choice(topic=NAME, value="left out", reason=reason))
    newest = max(fitting, key=lambda row: (numbers(row.version), numbers(row.version.rpartition("post")[2])))
    reason = f"the newest release for torch {minor}: torch.compile works"
    return Addition(
        packages={NAME: f"=={newest.version}"}, because=Choice(topic=NAME, value=newest.version, reason=reason)
    )
