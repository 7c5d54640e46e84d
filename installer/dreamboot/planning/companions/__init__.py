"""What is installed beside torch: one file per package that depends on the build, found by themselves."""

from __future__ import annotations

import functools
import importlib
import pkgutil
from dataclasses import field
from typing import Any, Callable, Mapping, Optional, Tuple

from dreamboot.catalog.rows import Stack
from dreamboot.model import Choice, Rejected
from dreamboot.planning.question import Candidate, Interpreter, Question
from dreamboot.values import value


@value
class Chosen:
    """What is decided before the companions: the build, its Python, and the set of packages."""

    candidate: Candidate
    interpreter: Interpreter
    stack: Stack
    question: Question


@value
class Addition:
    """What one companion adds: requirements ("==0.50.2"), environment variables, and why (or why not)."""

    packages: Mapping[str, str] = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=dict)
    because: Optional[Choice] = None
    rejected: Tuple[Rejected, ...] = ()
    warnings: Tuple[str, ...] = ()


Decide = Callable[[Chosen], Addition]


@functools.lru_cache(maxsize=1)
def all_companions() -> Tuple[Tuple[str, Any], ...]:
    """(name, its `decide`) of every file in this folder."""
    return tuple(
        (module.name, importlib.import_module(f"{__name__}.{module.name}").decide)
        for module in pkgutil.iter_modules(__path__)
    )
