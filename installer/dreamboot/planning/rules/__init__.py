"""The rules: one file each, found by themselves. A rule looks at one candidate and accepts it or says why not."""

from __future__ import annotations

import enum
import functools
import importlib
import pkgutil
from typing import Callable, Optional, Tuple

from dreamboot.planning.question import Candidate, Objection, Question
from dreamboot.values import value


class Way(enum.IntEnum):
    """What it takes to get round a rule, easiest first. Refusals offer the easiest way."""

    ARGUMENT = 1
    CONFIGURATION = 2
    PYTHON = 3
    SOURCE = 4
    DRIVER = 6
    SYSTEM = 20
    TRAINER = 400
    NONE = 1000


@value
class Rule:
    """One reason for which a torch build can be wrong. `order`: hardware first, then driver, system, wishes."""

    id: str
    order: int
    way: Way
    why: str
    check: Callable[[Candidate, Question], Optional[Objection]]


@functools.lru_cache(maxsize=1)
def all_rules() -> Tuple[Rule, ...]:
    """Every rule of this folder, in the order in which they are told."""
    found = [importlib.import_module(f"{__name__}.{module.name}").RULE for module in pkgutil.iter_modules(__path__)]
    return tuple(sorted(found, key=lambda rule: (rule.order, rule.id)))
