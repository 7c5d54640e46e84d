"""No candidate works: the shortest way out, found by asking which accepted plan is the fewest changes away."""

from __future__ import annotations

from typing import List, Optional, Sequence, Tuple

from packaging.version import Version

from dreamboot.model import Problem, Refusal, Rejected
from dreamboot.planning.judging import Verdict, rejected_of
from dreamboot.planning.question import Question
from dreamboot.planning.rules import Way
from dreamboot.values import value


@value
class Detour:
    """A way round: what the user types instead, and what they get."""

    command: str
    gets: str


def refuse(question: Question, verdicts: Sequence[Verdict], detours: Sequence[Detour]) -> Refusal:
    """The refusal: the nearest candidate's objections, what mends them, and the alternatives that do work."""
    nearest = nearest_of(verdicts)
    rejected = rejected_of(verdicts)
    if nearest is None:
        return Refusal(problem=_hopeless(question, verdicts, detours), rejected=rejected)
    ways = [found.objection.remedy for found in nearest.findings if found.objection.remedy]
    cause = "; ".join(found.objection.reason for found in nearest.findings)
    hint = _joined([_sentence(" and ".join(ways)) + f" That gives {nearest.candidate.label}." if ways else ""], detours)
    main = nearest.findings[0].rule
    return Refusal(
        problem=Problem(
            id=f"refused-{main.id}",
            what=_what(question),
            cause=f"{nearest.candidate.label}: {cause}",
            hint=hint or "dreamboot plan --explain   shows every candidate",
        ),
        rejected=rejected,
    )


def nearest_of(verdicts: Sequence[Verdict]) -> Optional[Verdict]:
    """The rejected candidate that takes least to accept: easiest ways, then the newest torch. None if all are hopeless."""
    possible = [verdict for verdict in verdicts if verdict.effort < Way.NONE and not verdict.accepted]
    if not possible:
        return None
    return min(possible, key=lambda verdict: (verdict.effort, [-part for part in Version(verdict.candidate.version).release]))


def _what(question: Question) -> str:
    target = question.target
    for_what = ", ".join(card.label for card in target.cards) or "the CPU"
    return f"No torch build works here for {for_what}."


def _hopeless(question: Question, verdicts: Sequence[Verdict], detours: Sequence[Detour]) -> Problem:
    """Every candidate has something against it that nobody can change: the rule that stopped the best ones says why."""
    platform = question.platform
    if not verdicts:
        return Problem(
            id="refused-platform",
            what=f"torch has no builds for {platform}.",
            cause="No source lists a wheel for this operating system and processor.",
            hint=_joined([], detours) or "Use a 64-bit Linux, Windows or macOS machine.",
        )
    furthest = max(
        verdicts,
        key=lambda verdict: (
            -sum(1 for found in verdict.findings if found.rule.way >= Way.SYSTEM),
            -verdict.effort,
            Version(verdict.candidate.version),
        ),
    )
    main = next(found for found in furthest.findings if found.rule.way is Way.NONE)
    fallback = "Use another card: dreamboot catalog show gpus   lists those with builds."
    return Problem(
        id=f"refused-{main.rule.id}",
        what=_what(question),
        cause=f"The nearest is {furthest.candidate.label}: {main.objection.reason}",
        hint=_joined([], detours) or fallback,
    )


def _joined(first: List[str], detours: Sequence[Detour]) -> str:
    ways = [text for text in first if text]
    ways += [f"{'Or: ' if ways or number else ''}{way.command}   ({way.gets})" for number, way in enumerate(detours)]
    return "\n         ".join(ways)


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:] + "." if text else ""


def as_rejected(question: Question) -> Tuple[Rejected, ...]:
    """The interpreters that can't be used, as rejected candidates."""
    return tuple(
        Rejected(candidate=item.label, reason=item.fault, rule="python") for item in question.interpreters if item.fault
    )
