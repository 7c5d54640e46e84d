"""What a symptom is: signs that a log shows, the cause behind them, and the way out."""

from __future__ import annotations

import enum
from typing import Callable, Dict, Mapping, NamedTuple, Optional, Tuple

from dreamboot.model import FixStep, Problem
from dreamboot.values import value


class Level(str, enum.Enum):
    """What it means when a symptom's signs stand in a log.

    CAUSE: the program stopped here. WARNING: it went on, and may have failed for another reason. LATE: a consequence
    of something that went wrong before. NOISE: harmless, never an answer.
    """

    CAUSE = "cause"
    WARNING = "warning"
    LATE = "late"
    NOISE = "noise"


class Match(NamedTuple):
    """Where a sign stands in the squeezed text, and what its placeholders caught."""

    start: int
    end: int
    captures: Dict[str, str]


class LogView:
    """What a symptom's `when` may ask of the log; `text.Log` implements it."""

    lower: str

    @property
    def python(self) -> str:
        """The interpreter that the log's paths belong to."""
        raise NotImplementedError

    def has(self, *signs: str) -> bool:
        """Whether any of the signs stands in the log."""
        raise NotImplementedError

    def find(self, sign: str) -> Optional[Match]:
        """The first place of a sign."""
        raise NotImplementedError


When = Callable[[Mapping[str, str], LogView], bool]


@value
class Symptom:
    """One cause as a log shows it.

    `signs`, `needs` (one of them must stand in the log too) and `unless` are written in the small language of
    `sign.py`. `cause` and the commands of `fix` may name captures of the sign as {name}, and {python}: the interpreter
    that the log shows. `leads_to`: ids of symptoms which this one explains. `packages`: an exception that no symptom
    knows is taken as a consequence when it was raised inside one of these. `examples` must be answered with this id
    first, `others` never.
    """

    id: str
    area: str
    signs: Tuple[str, ...]
    what: str
    cause: str
    fix: Tuple[Tuple[str, str], ...] = ()
    link: str = ""
    level: Level = Level.CAUSE
    weight: int = 50
    needs: Tuple[str, ...] = ()
    unless: Tuple[str, ...] = ()
    when: Optional[When] = None
    leads_to: Tuple[str, ...] = ()
    packages: Tuple[str, ...] = ()
    cases: Tuple[str, ...] = ()
    examples: Tuple[str, ...] = ()
    others: Tuple[str, ...] = ()


@value
class Cause:
    """One answer: `confidence` from 0 to 1, the problem as a person is told it, and the steps of the way out."""

    id: str
    area: str
    confidence: float
    problem: Problem
    fix: Tuple[FixStep, ...] = ()
    evidence: str = ""


@value
class Explanation:
    """All that a log tells: causes best first, harmless lines that were recognised, and facts that would help."""

    causes: Tuple[Cause, ...] = ()
    harmless: Tuple[str, ...] = ()
    would_help: Tuple[str, ...] = ()
