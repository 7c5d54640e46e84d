"""xformers: torch's own attention is as good, so it is installed only when pinned, and only where it truly fits."""

from __future__ import annotations

from packaging.requirements import Requirement

from dreamboot.catalog.rows import XformersRelease
from dreamboot.catalog.versions import at_least, numbers
from dreamboot.model import Choice, DreambootError, ExitCode, Problem, SourceKind
from dreamboot.planning.companions import Addition, Chosen
from dreamboot.planning.pins import allows

NAME = "xformers"


def decide(chosen: Chosen) -> Addition:
    """Raises `DreambootError` (refused) when it is pinned and no release fits the build."""
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
    torches = sorted({row.torch for row in rows if allows(pin, row.version)})
    raise DreambootError(
        Problem(
            id="xformers-does-not-fit",
            what=f"No xformers release that satisfies --pin {pin} fits {chosen.candidate.label}.",
            cause="; ".join(faults[:4]) or "the catalog knows no such release",
            hint=f"Leave --pin {pin} out: torch's own attention (SDPA) is used"
            + (f"; or pin its torch too: --pin torch{torches[0]}" if torches else ""),
        ),
        exit_code=ExitCode.REFUSED,
    )


def _fault(release: XformersRelease, chosen: Chosen) -> str:
    question, candidate = chosen.question, chosen.candidate
    if question.target.device != "cuda":
        return "its wheels are for CUDA"
    if question.platform not in release.platforms:
        return f"it has no wheel for {question.platform}"
    if not allows(Requirement(f"x{release.torch}"), candidate.version):
        return f"it is built for torch {release.torch}"
    if candidate.kind is SourceKind.PYTORCH_INDEX and candidate.tag not in release.index_tags:
        return f"the PyTorch index has it for {', '.join(release.index_tags)}, not for {candidate.tag}"
    minor = chosen.interpreter.minor.replace(".", "")
    if not any(tag in (f"cp{minor}", "cp39", "py39") for tag in release.python):
        return f"it has no wheel for Python {chosen.interpreter.minor}"
    for card in question.target.cards:
        if not at_least(card.compute_capability, release.oldest_compute_capability):
            return f"it has code from compute capability {release.oldest_compute_capability} on"
    return ""
