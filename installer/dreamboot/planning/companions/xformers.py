"""xformers: torch's own attention is as good, so it is installed only when pinned, and only where it truly fits."""

from __future__ import annotations

from dreamboot.catalog.rows import XformersRelease
from dreamboot.catalog.versions import numbers
from dreamboot.model import Choice, Problem
from dreamboot.planning.companions import Addition, Chosen
from dreamboot.planning.conflicts import PinRefusedError
from dreamboot.planning.pins import allows
from dreamboot.planning.rules.xformers import NAME, misfit


def decide(chosen: Chosen) -> Addition:
    """Raises `PinRefusedError` when it is pinned and no release fits the build."""
    pin = chosen.question.pins.get(NAME)
    if pin is None:
        return Addition()
    faults = []
    rows = sorted(chosen.question.catalog.table(NAME), key=lambda row: numbers(row.version), reverse=True)
    for release in rows:
        if not allows(pin, release.version):
            continue
        fault = _fault(release, chosen)
        if not fault:
            reason = f"built for torch {release.torch}, with code for these GPUs"
            return Addition(
                packages={NAME: f"=={release.version}"},
                because=Choice(topic=NAME, value=release.version, reason=reason),
            )
        faults.append(f"{release.version}: {fault}")
    raise PinRefusedError(
        Problem(
            id="xformers-does-not-fit",
            what=f"No xformers release that satisfies --pin {pin} fits {chosen.candidate.label}.",
            cause="; ".join(faults[:4]) or "the catalog knows no such release",
            hint=f"Leave --pin {pin} out: torch's own attention (SDPA) is used",
        )
    )


def _fault(release: XformersRelease, chosen: Chosen) -> str:
    minor = chosen.interpreter.minor.replace(".", "")
    if not any(tag in (f"cp{minor}", "cp39", "py39") for tag in release.python):
        return f"it has no wheel for Python {chosen.interpreter.minor}"
    return misfit(release, chosen.candidate, chosen.question)
