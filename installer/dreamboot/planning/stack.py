"""Which set of packages goes with a torch build, and which interpreter runs both."""

from __future__ import annotations

import functools
from typing import Optional, Tuple

from packaging.requirements import Requirement

from dreamboot.catalog.rows import Stack
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
        if not item.fault and item.minor in candidate.pythons and stack_for(candidate, item.minor, question):
            return item
    return None


def pair(candidate: Candidate, question: Question) -> Tuple[Interpreter, Stack]:
    """Interpreter and stack of an accepted candidate. Raises `LookupError` for one that was not accepted."""
    item = interpreter_for(candidate, question)
    stack = stack_for(candidate, item.minor, question) if item else None
    if item is None or stack is None:
        raise LookupError(candidate.label)
    return item, stack
