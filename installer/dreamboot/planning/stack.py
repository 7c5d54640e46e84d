"""Which set of packages goes with a torch build, and which interpreter runs both."""

from __future__ import annotations

import functools
from typing import Optional, Tuple

from packaging.requirements import Requirement

from dreamboot.catalog.rows import Stack
from dreamboot.catalog.versions import at_least
from dreamboot.planning import conflicts
from dreamboot.planning.pins import allows
from dreamboot.planning.question import Candidate, Interpreter, Question


def stack_for(candidate: Candidate, python: str, question: Question) -> Optional[Stack]:
    """The first stack of the catalog for this profile, Python minor and torch version; None if none."""
    for stack in question.catalog.stacks:
        if stack.profile != question.wish.profile:
            continue
        if not _within(stack.python, python) or not _within(stack.torch, candidate.version):
            continue
        return stack
    return None


@functools.lru_cache(maxsize=4096)
def _within(specifier: str, version: str) -> bool:
    return allows(Requirement(f"x{specifier}"), version)


def interpreter_for(candidate: Candidate, question: Question) -> Optional[Interpreter]:
    """The best interpreter for a candidate: one of the machine before a download; None when there is none."""
    for item in question.interpreters:
        has_wheel = not item.fault and item.minor in candidate.pythons
        if has_wheel and stack_for(candidate, item.minor, question):
            if _against_torchvision(item, candidate, question) or _against_macos(item, candidate, question):
                continue
            return item
    return None


def _against_macos(item: Interpreter, candidate: Candidate, question: Question) -> bool:
    """Whether the wheel for this Python wants a newer macOS than the release's other wheels do."""
    release, machine = question.catalog.release(candidate.version), question.machine
    need = release.macos_by_python.get(item.minor, "") if release and machine.os == "macos" else ""
    return bool(need and machine.os_version) and not at_least(machine.os_version, need)


def _against_torchvision(item: Interpreter, candidate: Candidate, question: Question) -> bool:
    """Whether torchvision is wanted and its release for this torch refuses this very Python (3.14.1)."""
    release = question.catalog.release(candidate.version)
    if release is None or not (question.wish.torchvision or "torchvision" in question.pins):
        return False
    facts = {"torchvision": (release.torchvision,), "python": (item.version,)}
    return conflicts.known("interpreter", facts, question.catalog) is not None


def pair(candidate: Candidate, question: Question) -> Tuple[Interpreter, Stack]:
    """Interpreter and stack of an accepted candidate. Raises `LookupError` for one that was not accepted."""
    item = interpreter_for(candidate, question)
    stack = stack_for(candidate, item.minor, question) if item else None
    if item is None or stack is None:
        raise LookupError(candidate.label)
    return item, stack
