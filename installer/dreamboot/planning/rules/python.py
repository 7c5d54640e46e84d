"""There is a Python for which the source has a wheel and for which a set of packages is known."""

from __future__ import annotations

from typing import Optional

from dreamboot.planning.interpreters import PREFERRED
from dreamboot.planning.pins import allows
from dreamboot.planning.question import Candidate, Objection, Question
from dreamboot.planning.rules import Rule, Way
from dreamboot.planning.stack import interpreter_for, stack_for


def check(candidate: Candidate, question: Question) -> Optional[Objection]:
    """Found, or downloadable, with a stack of packages for it and this torch."""
    if interpreter_for(candidate, question) is not None:
        return None
    have = sorted({item.minor for item in question.interpreters if item.path and not item.fault})
    wheels = ", ".join(candidate.pythons) or "none"
    pin = question.pins.get("python")
    remedy = f"install Python {_best(candidate)} (64-bit)"
    elsewhere = False
    if not set(PREFERRED) & set(candidate.pythons):
        remedy, elsewhere = "put a torch wheel for Python 3.12 there: free-threaded ones can't be used", True
    if pin is not None and not allows(pin, _best(candidate)):
        remedy = f"leave --pin {pin} out"
    profile = question.wish.profile
    if profile and not any(stack_for(candidate, minor, question) for minor in candidate.pythons):
        torch = question.pins.get("torch")
        remedy, elsewhere = f"leave --profile {profile} out", True
        if torch is not None:
            remedy = f"leave --pin {torch} out: the profile {profile} has a torch of its own"
    return Objection(
        reason=f"wheels for Python {wheels}; usable here: {', '.join(have) or 'none'}",
        remedy=remedy,
        elsewhere=elsewhere,
    )


def _best(candidate: Candidate) -> str:
    return next((minor for minor in PREFERRED if minor in candidate.pythons), "3.12")


RULE = Rule(
    id="python",
    order=70,
    way=Way.PYTHON,
    why="A wheel is made for one Python version; torch has none for others.",
    check=check,
)
