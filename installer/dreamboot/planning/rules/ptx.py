"""Where a build has only PTX for a GPU, the driver must know the toolkit that made it."""

from __future__ import annotations

from typing import Optional

from dreamboot.catalog.versions import at_least, cuda_of
from dreamboot.planning.question import Candidate, Objection, Question
from dreamboot.planning.rules import Rule, Way
from dreamboot.planning.rules.compute_capability import compiles_ptx, runs_code


def check(candidate: Candidate, question: Question) -> Optional[Objection]:
    """Minor-version compatibility does not cover PTX: its compiler is in the driver."""
    driver = question.target.driver
    if question.target.device != "cuda" or driver is None or not candidate.ptx:
        return None
    by_ptx = [
        card
        for card in question.target.cards
        if not runs_code(candidate, card.compute_capability) and compiles_ptx(candidate, card.compute_capability)
    ]
    if not by_ptx:
        return None
    toolkit = question.catalog.toolkit(cuda_of(candidate.tag))
    windows = question.machine.os == "windows" or question.machine.wsl > 0
    need = (toolkit.ships_windows or toolkit.minimum_windows if windows else toolkit.ships_linux) if toolkit else ""
    known = at_least(driver.cuda_version, cuda_of(candidate.tag)) if not driver.version else False
    if not need or known or at_least(driver.version, need):
        return None
    return Objection(
        reason=f"only PTX for {by_ptx[0].gpu.name}, which driver {driver.version} can't compile: it needs {need}",
        remedy=f"update the NVIDIA driver to {need} or newer",
    )


RULE = Rule(
    id="ptx",
    order=25,
    way=Way.DRIVER,
    why="PTX is compiled by the driver, and an older driver does not know a newer toolkit's PTX.",
    check=check,
)
