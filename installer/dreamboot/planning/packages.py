"""The requirement of every distribution beside torch: the stack's, the companions', pins and constraints worked in."""

from __future__ import annotations

from typing import Dict, List, Sequence, Tuple

from packaging.requirements import Requirement
from packaging.specifiers import Specifier
from packaging.utils import canonicalize_name

from dreamboot.catalog import Catalog
from dreamboot.catalog.versions import at_least, numbers
from dreamboot.model import Choice, DreambootError, ExitCode, Problem
from dreamboot.planning.companions import Addition, Chosen
from dreamboot.planning.pins import allows

# Decided by rules or companions of their own, pins included.
_DECIDED_ELSEWHERE = ("torch", "python", "bitsandbytes", "xformers", "torchvision")


def packages(chosen: Chosen, additions: Sequence[Addition]) -> Tuple[Dict[str, str], List[Choice]]:
    """(requirement per distribution, what pins and constraints changed). Raises `DreambootError` for a fatal pin."""
    question = chosen.question
    found = dict(chosen.stack.packages)
    for addition in additions:
        found.update(addition.packages)
    reasons = []
    by_name: Dict[str, str] = {canonicalize_name(name): name for name in found}
    for key, pin in question.pins.items():
        if key in _DECIDED_ELSEWHERE:
            continue
        name = by_name.get(key, pin.name)
        found[name] = str(pin.specifier)
        reasons.append(Choice(topic=name, value=str(pin.specifier) or "any", reason="asked for with --pin"))
    for key, requirements in question.constraints.items():
        name = by_name.get(key, "")
        if not name or name == "torch" or key in question.pins:
            continue
        asked = ",".join(str(requirement.specifier) for requirement in requirements)
        if not _within(found[name], requirements):
            found[name] = _relaxed(name, asked, question.catalog)
            reasons.append(
                Choice(topic=name, value=found[name], reason=f"pip's constraint {asked} forbids the usual one")
            )
    _refuse_conflicts(chosen)
    return _loosened(found, chosen), reasons


def _loosened(wanted: Dict[str, str], chosen: Chosen) -> Dict[str, str]:
    """Where one of the packages that depend on each other was moved, exact pins of the others would contradict it.

    They become ranges, or are left to the resolver, which knows their dependencies on each other.
    """
    usual, tied = chosen.stack.packages, chosen.stack.tied
    moved = {name for name in tied if wanted.get(name) != usual[name]}
    if not moved:
        return wanted
    floors = chosen.question.catalog.floors()
    loose = {name: f">={floors[name].oldest}" if name in floors else "" for name in tied if name not in moved}
    return {name: loose.get(name, text) for name, text in wanted.items() if loose.get(name, text) or name in moved}


def _within(requirement: str, constraints: Sequence[Requirement]) -> bool:
    """Whether an exact pin satisfies the constraints; a range is left to the resolver, which sees both."""
    if not requirement.startswith("=="):
        return True
    return all(allows(constraint, requirement[2:].split("+", maxsplit=1)[0]) for constraint in constraints)


def _relaxed(name: str, asked: str, catalog: Catalog) -> str:
    floor = catalog.floors().get(name)
    return f">={floor.oldest},{asked}" if floor else asked


def _refuse_conflicts(chosen: Chosen) -> None:
    """A pin that breaks a package which the trainer needs is refused before anything is downloaded."""
    if chosen.question.wish.profile:
        return
    for name, usual in chosen.stack.packages.items():
        floor, pin = chosen.question.catalog.floors().get(name), chosen.question.pins.get(canonicalize_name(name))
        if floor and pin is not None and not all(_reaches(part, floor.oldest) for part in pin.specifier):
            raise DreambootError(
                Problem(
                    id="pin-below-floor",
                    what=f"--pin {pin} asks for a {name} that the trainer does not run on.",
                    cause=f"The trainer and the packages around it need {name} {floor.oldest} or newer: {floor.why}.",
                    hint=f'--pin "{name}>={floor.oldest}", or leave the pin out ({name}{usual} is planned then)',
                ),
                exit_code=ExitCode.REFUSED,
            )


def _reaches(part: Specifier, oldest: str) -> bool:
    """Whether one part of a pin leaves room for `oldest` or newer."""
    if part.operator == "<":
        return not at_least(oldest, part.version)
    if part.operator == "~=":
        # ~=4.57 ends before 5, ~=4.57.1 before 4.58: what it allows agrees in all numbers but the last.
        kept = numbers(part.version)[:-1]
        return kept >= numbers(oldest)[: len(kept)]
    return part.operator not in ("==", "===", "<=") or at_least(part.version, oldest)
