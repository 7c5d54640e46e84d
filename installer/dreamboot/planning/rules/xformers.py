"""Where xformers is pinned, only builds that one of its releases was compiled for."""

from __future__ import annotations

from typing import Optional

from packaging.requirements import Requirement

from dreamboot.catalog.rows import XformersRelease
from dreamboot.catalog.versions import at_least
from dreamboot.model import SourceKind
from dreamboot.planning.pins import allows
from dreamboot.planning.question import Candidate, Objection, Question
from dreamboot.planning.rules import Rule, Way

NAME = "xformers"


def check(candidate: Candidate, question: Question) -> Optional[Objection]:
    """The pin steers the choice of torch: xformers is compiled for one torch release and CUDA each."""
    pin = question.pins.get(NAME)
    if pin is None:
        return None
    releases = [row for row in question.catalog.table(NAME) if allows(pin, row.version)]
    if any(not misfit(release, candidate, question) for release in releases):
        return None
    for_torch = [row for row in releases if allows(Requirement(f"x{row.torch}"), candidate.version)]
    nearest = (for_torch or releases)[-1:]
    reason = misfit(nearest[0], candidate, question) if nearest else "the catalog knows no such release"
    return Objection(
        reason=f"--pin {pin}: {reason}",
        remedy=f"leave --pin {pin} out: torch's own attention is used",
        conflict="xformers-torch" if releases and not for_torch else "",
    )


def misfit(release: XformersRelease, candidate: Candidate, question: Question) -> str:
    """Why a release does not work beside this build on this machine; "" where it does."""
    if question.target.device != "cuda":
        return "its wheels are for CUDA"
    if question.platform not in release.platforms:
        return f"it has no wheel for {question.platform}"
    if not allows(Requirement(f"x{release.torch}"), candidate.version):
        return f"it is built for torch {release.torch}"
    if candidate.kind is SourceKind.PYTORCH_INDEX and candidate.tag not in release.index_tags:
        return f"the PyTorch index has it for {', '.join(release.index_tags)}, not for {candidate.tag}"
    for card in question.target.cards:
        if not at_least(card.compute_capability, release.oldest_compute_capability):
            return f"it has code from compute capability {release.oldest_compute_capability} on"
    return ""


RULE = Rule(id="xformers", order=91, way=Way.ARGUMENT, why="It is compiled for one torch release each.", check=check)
