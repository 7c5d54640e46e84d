"""Runs every check over the facts, in the order of their needs: one cause is one red line, the rest is skipped."""

from __future__ import annotations

import importlib
import pkgutil
from functools import lru_cache
from typing import Dict, List, Mapping, Tuple

from dreamboot.doctor.check import Check, Outcome
from dreamboot.doctor.facts.values import Facts
from dreamboot.model import Finding, Problem, Status

# Worst first; what was not asked comes last.
ORDER = (Status.ERROR, Status.CRASHED, Status.WARNING, Status.SKIPPED, Status.INFO, Status.OK, Status.OMITTED)
BLOCKING = (Status.ERROR, Status.CRASHED, Status.SKIPPED)


@lru_cache(maxsize=1)
def checks() -> Tuple[Check, ...]:
    """Every check, needs before those who need them.

    Raises `ValueError` for two checks of one id, for an unknown need and for needs in a circle.
    """
    from dreamboot.doctor import checks as package

    found: Dict[str, Check] = {}
    for module in sorted(pkgutil.iter_modules(package.__path__), key=lambda module: module.name):
        check: Check = importlib.import_module(f"{package.__name__}.{module.name}").CHECK
        if check.id in found:
            raise ValueError(f"two checks are called {check.id}")
        found[check.id] = check
    return in_order(found)


def in_order(found: Mapping[str, Check]) -> Tuple[Check, ...]:
    """Depth first over the needs (graphlib came with Python 3.9)."""
    done: Dict[str, Check] = {}
    under_way: List[str] = []

    def visit(name: str) -> None:
        if name in done:
            return
        if name not in found:
            raise ValueError(f"{under_way[-1]} needs {name}, which is no check")
        if name in under_way:
            raise ValueError("needs in a circle: " + " -> ".join([*under_way, name]))
        under_way.append(name)
        for need in found[name].requires:
            visit(need)
        under_way.pop()
        done[name] = found[name]

    for name in found:
        visit(name)
    return tuple(done.values())


def examine(facts: Facts) -> Tuple[Finding, ...]:
    """The findings of all checks, worst first. Never raises: a check that crashes is a finding."""
    found: Dict[str, Finding] = {}
    for check in checks():
        found[check.id] = _finding(check, facts, found)
    return tuple(sorted(found.values(), key=lambda one: ORDER.index(one.status)))


def run_one(check: Check, facts: Facts) -> Outcome:
    """One check without its needs; OMITTED where it does not apply."""
    if not check.applies(facts):
        return Outcome(status=Status.OMITTED, evidence="does not apply here")
    return check.run(facts)


def _finding(check: Check, facts: Facts, before: Mapping[str, Finding]) -> Finding:
    failed = [need for need in check.requires if need in before and before[need].status in BLOCKING]
    try:
        if not check.applies(facts):
            return Finding(id=check.id, area=check.area, status=Status.OMITTED, evidence="does not apply here")
        if failed:
            return Finding(id=check.id, area=check.area, status=Status.SKIPPED, evidence="needs " + ", ".join(failed))
        outcome = check.run(facts)
    except Exception as error:  # noqa: BLE001 - a crashed check is a row, never the end of the report
        told = f"{type(error).__name__}: {error}"
        problem = Problem(
            id=check.id,
            what=f"The check {check.id} itself failed.",
            cause=told,
            hint="dreamboot doctor --report FILE.zip   (and report it)",
        )
        return Finding(id=check.id, area=check.area, status=Status.CRASHED, evidence=told, problem=problem)
    return as_finding(check.id, check.area, outcome)


def as_finding(name: str, area: str, outcome: Outcome) -> Finding:
    """An outcome with the name of who found it."""
    problem = None
    if outcome.what:
        hint = outcome.fix[0].command if outcome.fix else ""
        problem = Problem(id=name, what=outcome.what, cause=outcome.cause, hint=hint, link=outcome.link)
    return Finding(
        id=name, area=area, status=outcome.status, evidence=outcome.evidence, problem=problem, fix=outcome.fix
    )
