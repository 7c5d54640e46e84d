"""triton: torch brings its own on Linux; on Windows a separate package pairs with it."""

from __future__ import annotations

from packaging.requirements import Requirement

from dreamboot.catalog.versions import numbers
from dreamboot.model import Choice, Problem
from dreamboot.planning.companions import Addition, Chosen
from dreamboot.planning.conflicts import PinRefusedError, named
from dreamboot.planning.pins import allows

NAME = "triton-windows"


def decide(chosen: Chosen) -> Addition:
    """Without it only torch.compile is missing: training does not depend on it."""
    question, candidate = chosen.question, chosen.candidate
    pin = question.pins.get(NAME)
    if question.machine.os != "windows" or question.target.device != "cuda" or question.wish.profile:
        if pin is not None:
            raise PinRefusedError(_unfit(pin, "It is for NVIDIA GPUs on Windows.", "torch brings what it needs"))
        return Addition()
    minor = ".".join(candidate.version.split(".")[:2])
    tag = "cp" + chosen.interpreter.minor.replace(".", "")
    fitting = [row for row in question.catalog.table("triton_windows") if minor in row.torch and tag in row.python]
    if pin is not None:
        names = ", ".join(row.version for row in fitting) or "none"
        fitting = [row for row in fitting if allows(pin, row.version)]
        if not fitting:
            cause = f"Releases for torch {minor} on Python {chosen.interpreter.minor}: {names}."
            problem = _unfit(pin, cause, "the newest that pairs with torch is taken")
            raise PinRefusedError(problem, (named("triton-windows", question.catalog),))
    if not fitting:
        reason = f"no release pairs with torch {minor} on Python {chosen.interpreter.minor}: torch.compile is not there"
        return Addition(because=Choice(topic=NAME, value="left out", reason=reason))
    newest = max(fitting, key=lambda row: (numbers(row.version), numbers(row.version.rpartition("post")[2])))
    reason = f"the newest release for torch {minor}: torch.compile works"
    return Addition(
        packages={NAME: f"=={newest.version}"}, because=Choice(topic=NAME, value=newest.version, reason=reason)
    )


def _unfit(pin: Requirement, cause: str, otherwise: str) -> Problem:
    return Problem(
        id="triton-windows-does-not-fit",
        what=f"--pin {pin} can't be honoured here.",
        cause=cause,
        hint=f"Leave --pin {pin} out: {otherwise}",
    )
