"""The doctor: facts of an environment, checks over them, symptoms in logs, and repairs that are proven."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Callable, Optional, Sequence, Tuple

from dreamboot.doctor.symptoms import Cause, explain

if TYPE_CHECKING:
    from dreamboot.doctor.facts.values import Facts, Target, UnfinishedBuild
    from dreamboot.host import Host
    from dreamboot.model import Finding, Machine

__all__ = ["Cause", "diagnose", "explain"]


def diagnose(
    host: Host,
    target: Target,
    machine: Callable[[], Machine],
    *,
    data: Sequence[str] = (),
    near: str = "",
    unfinished: Optional[Tuple[UnfinishedBuild, ...]] = None,
) -> Tuple[Facts, Tuple[Finding, ...]]:
    """The facts of one environment, read once, and what every check says of them, worst first."""
    from dreamboot.doctor.examine import examine
    from dreamboot.doctor.facts.gather import gather

    facts = replace(gather(host, target, machine, data=data, near=near), unfinished_builds=unfinished)
    return facts, examine(facts)
