"""The requirement of every distribution beside torch: the stack's, the companions', pins and constraints worked in."""

from __future__ import annotations

from typing import Dict, Iterator, List, Sequence, Tuple

from packaging.requirements import Requirement
from packaging.specifiers import Specifier
from packaging.utils import canonicalize_name

from dreamboot.catalog import Catalog
from dreamboot.catalog.rows import Conflict
from dreamboot.catalog.versions import at_least, numbers
from dreamboot.model import Choice, Problem
from dreamboot.planning.companions import Addition, Chosen
from dreamboot.planning.conflicts import PinRefusedError, ends, holding, in_short, surroundings
from dreamboot.planning.pins import allows

# Decided by rules or companions of their own, pins included.
_DECIDED_ELSEWHERE = ("torch", "python", "bitsandbytes", "xformers", "torchvision", "torchaudio", "triton-windows")


def packages(chosen: Chosen, additions: Sequence[Addition]) -> Tuple[Dict[str, str], List[Choice]]:
    """(requirement per distribution, what pins and constraints changed). Raises `PinRefusedError` for a fatal pin."""
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
        reason = "asked for with --pin"
        if key not in by_name:
            reason += "; no rule knows it: it is installed beside the others where their metadata allows it"
        reasons.append(Choice(topic=name, value=str(pin.specifier) or "any", reason=reason))
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
    wanted = _loosened(found, chosen)
    _refuse_below_floors(chosen, wanted)
    _refuse_conflicts(chosen, wanted)
    return wanted, reasons


def _loosened(wanted: Dict[str, str], chosen: Chosen) -> Dict[str, str]:
    """Where one of the packages that depend on each other was moved, exact pins of the others would contradict it.

    They become ranges, or are left to the resolver, which knows their dependencies on each other.
    """
    usual, tied = chosen.stack.packages, chosen.stack.tied
    if all(wanted.get(name) == usual[name] for name in tied):
        return wanted
    pins = chosen.question.pins
    moved = {name for name in tied if wanted.get(name) != usual[name] or canonicalize_name(name) in pins}
    floors = chosen.question.catalog.floors()
    loose = {name: f">={floors[name].oldest}" if name in floors else "" for name in tied if name not in moved}
    return {name: loose.get(name, text) for name, text in wanted.items() if loose.get(name, "any")}


def _within(requirement: str, constraints: Sequence[Requirement]) -> bool:
    """Whether an exact pin satisfies the constraints; a range is left to the resolver, which sees both."""
    if not requirement.startswith("=="):
        return True
    return all(allows(constraint, requirement[2:].split("+", maxsplit=1)[0]) for constraint in constraints)


def _relaxed(name: str, asked: str, catalog: Catalog) -> str:
    floor = catalog.floors().get(name)
    return f">={floor.oldest},{asked}" if floor else asked


def _refuse_below_floors(chosen: Chosen, wanted: Dict[str, str]) -> None:
    """What the trainer does not run on is refused before anything is downloaded."""
    question = chosen.question
    if question.wish.profile:
        return
    for name, usual in chosen.stack.packages.items():
        key, floor = canonicalize_name(name), question.catalog.floors().get(name)
        if floor is None:
            continue
        need = f"The trainer and the packages around it need {name} {floor.oldest} or newer: {floor.why}."
        pin = question.pins.get(key)
        if pin is not None and not all(_reaches(part, floor.oldest) for part in pin.specifier):
            problem = Problem(
                id="pin-below-floor", cause=need,
                what=f"--pin {pin} asks for a {name} that the trainer does not run on.",
                hint=f'--pin "{name}>={floor.oldest}", or leave the pin out ({name}{usual} is planned then)',
            )  # fmt: skip
            raise PinRefusedError(problem, map(in_short, _conflicts(chosen, wanted)))
        for bound in question.constraints.get(key, ()) if pin is None else ():
            if not all(_reaches(part, floor.oldest) for part in bound.specifier):
                raise PinRefusedError(
                    Problem(
                        id="constraint-below-floor",
                        what=f"pip's constraint {bound} leaves no {name} that the trainer runs on.",
                        cause=need,
                        hint=f"Change the constraint {bound} in pip's configuration (pip config list names the file)",
                    )
                )


def _refuse_conflicts(chosen: Chosen, wanted: Dict[str, str]) -> None:
    """A pin that is known not to go with the rest is refused, although metadata may allow it."""
    row = next(_conflicts(chosen, wanted), None)
    if row is None:
        return
    pins = [pin for name, pin in chosen.question.pins.items() if name in row.holds]
    raise PinRefusedError(
        Problem(
            id="known-conflict",
            what=f"--pin {' and --pin '.join(map(str, pins))}: known not to work with the rest of the plan.",
            cause=f"{row.a} and {row.b}: {row.effect}.",
            hint=f"Leave --pin {pins[-1]} out, or: {row.fix}",
        ),
        (in_short(row),),
    )


def _conflicts(chosen: Chosen, wanted: Dict[str, str]) -> Iterator[Conflict]:
    """The known conflicts that a pin brings into a plan."""
    question = chosen.question
    facts = {**ends(wanted), **surroundings(chosen.candidate, question), "python": (chosen.interpreter.version,)}
    for row in holding("pin", facts, question.catalog):
        if set(row.holds) & set(question.pins):
            yield row


def _reaches(part: Specifier, oldest: str) -> bool:
    """Whether one part of a pin leaves room for `oldest` or newer."""
    if part.operator == "<":
        return not at_least(oldest, part.version)
    if part.operator == "~=":
        # ~=4.57 ends before 5, ~=4.57.1 before 4.58: what it allows agrees in all numbers but the last.
        kept = numbers(part.version)[:-1]
        return kept >= numbers(oldest)[: len(kept)]
    return part.operator not in ("==", "===", "<=") or at_least(part.version, oldest)
