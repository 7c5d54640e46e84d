"""No candidate works: the shortest way out, found by asking which candidate is the fewest changes away."""

from __future__ import annotations

from typing import List, Optional, Sequence, Tuple

from dreamboot.catalog.versions import numbers
from dreamboot.model import Problem, Refusal, Rejected
from dreamboot.planning.judging import Found, Verdict, build_preference, conflict_of, rejected_of
from dreamboot.planning.question import Question
from dreamboot.planning.rules import Way
from dreamboot.values import value

# Builds that exist, but at none of the sources that plans use.
# https://rocm.docs.amd.com/projects/radeon-ryzen/ (Windows: AMD's own wheels, few cards, one Python version)
_ELSEWHERE = {("rocm", "windows"): "AMD's own Windows wheels are for few cards and one Python, and are not used. "}
_INSTEAD = {("rocm", "windows"): "Use Linux with this card."}


@value
class Detour:
    """A way round: what the user types instead, and what they get."""

    command: str
    gets: str


def refuse(question: Question, verdicts: Sequence[Verdict], detours: Sequence[Detour]) -> Refusal:
    """The refusal: what stands against the nearest candidate, what mends it, and the alternatives that do work."""
    asked = _as_asked(verdicts)
    nearest = _nearest(asked, question)
    problem = _hopeless(question, asked, detours) if nearest is None else _mendable(question, nearest, detours)
    main = nearest or _least_against(asked)
    found = [conflict_of(item, main.candidate, question) for item in main.findings] if main else []
    return Refusal(
        problem=problem, rejected=(*rejected_of(verdicts, question), *as_rejected(question)),
        conflicts=tuple(dict.fromkeys(conflict for conflict in found if conflict is not None)),
    )  # fmt: skip


def as_rejected(question: Question) -> Tuple[Rejected, ...]:
    """The interpreters that can't be used, as rejected candidates."""
    return tuple(
        Rejected(candidate=item.label, reason=item.fault, rule="python") for item in question.interpreters if item.fault
    )


def _as_asked(verdicts: Sequence[Verdict]) -> Sequence[Verdict]:
    """Candidates for the device, and for the pin where one fits it: the others were not asked for."""
    for rule in ("device", "pin"):
        kept = [verdict for verdict in verdicts if all(found.rule.id != rule for found in verdict.findings)]
        verdicts = kept or verdicts
    return verdicts


def _nearest(verdicts: Sequence[Verdict], question: Question) -> Optional[Verdict]:
    """The candidate that takes least to accept: easiest ways, then the newest torch. None when all are hopeless.

    Of one release's builds it is the one that would be taken; where a newer driver is needed, the one that needs least.
    """
    possible = [verdict for verdict in verdicts if verdict.effort < Way.TRAINER]
    if not possible:
        return None

    def preference(verdict: Verdict) -> Tuple[object, ...]:
        other_driver = any(found.rule.way is Way.DRIVER for found in verdict.findings)
        return () if other_driver else build_preference(verdict.candidate, question)

    return max(possible, key=lambda verdict: (-verdict.effort, *_newest(verdict), preference(verdict)))


def _newest(verdict: Verdict) -> Tuple[Tuple[int, ...], int]:
    return numbers(verdict.candidate.version), -verdict.candidate.source_rank


def _mendable(question: Question, nearest: Verdict, detours: Sequence[Detour]) -> Problem:
    remedies = list(dict.fromkeys(found.objection.remedy for found in nearest.findings if found.objection.remedy))
    first = ""
    if remedies:
        text = " and ".join(remedies)
        same = not any(found.objection.elsewhere for found in nearest.findings)
        first = _sentence(f"{text}: that gives {nearest.candidate.label}" if same else text)
    return Problem(
        id=f"refused-{nearest.findings[0].rule.id}",
        what=_what(question),
        cause=f"{nearest.candidate.label}: " + "; ".join(found.objection.reason for found in nearest.findings),
        hint=_ways(first, detours),
    )


def _hopeless(question: Question, verdicts: Sequence[Verdict], detours: Sequence[Detour]) -> Problem:
    """Every candidate has something against it that nobody can change; the one with least against it says why."""
    platform, target = question.platform, question.target
    nearest = _least_against(verdicts)
    if nearest is None:
        return Problem(
            id="refused-platform",
            what=f"torch has no builds for {platform}.",
            cause="No source lists a wheel for this operating system and processor.",
            hint=_ways("Use a 64-bit Linux, Windows or macOS machine.", detours),
        )
    main = _main(nearest)
    where = (target.device, question.machine.os)
    cause = f"The nearest is {nearest.candidate.label}: {main.objection.reason}"
    if main.rule.id == "trainer-floor":
        cause = f"The newest build that runs here is {nearest.candidate.label}: {main.objection.reason}"
    if main.rule.id == "device":
        cause = _ELSEWHERE.get(where, "") + f"No source holds a build for {target.device} on {platform}."
    elsewhere = _INSTEAD.get(where, "Another card is needed: dreamboot catalog show gpus   lists those with builds.")
    if main.objection.remedy:
        elsewhere = _sentence(main.objection.remedy)
    if not target.cards:
        elsewhere = "Use another machine: 64-bit Linux or Windows, or a Mac with Apple silicon."
    pin = question.pins.get("torch")
    if pin is not None and any("--pin" in way.command for way in detours):
        elsewhere = f"Leave --pin {pin} out: other releases do work here."
    return Problem(id=f"refused-{main.rule.id}", what=_what(question), cause=cause, hint=_ways(elsewhere, detours))


def _least_against(verdicts: Sequence[Verdict]) -> Optional[Verdict]:
    """The candidate with least that nobody can change against it; None when there is no candidate."""
    return max(
        verdicts, key=lambda verdict: (-_fixed(verdict), -len(verdict.findings), *_newest(verdict)), default=None
    )


def _fixed(verdict: Verdict) -> int:
    return sum(int(found.rule.way) for found in verdict.findings if found.rule.way >= Way.TRAINER)


def _main(verdict: Verdict) -> Found:
    return next(found for found in verdict.findings if found.rule.way >= Way.TRAINER)


def _sentence(text: str) -> str:
    """With a capital and a full stop, which an address at the end would swallow."""
    stop = "" if text.endswith("/") else "."
    return f"{text[:1].upper()}{text[1:]}{stop}"


def _what(question: Question) -> str:
    cards = ", ".join(card.label for card in question.target.cards)
    pin = question.pins.get("torch")
    return f"No torch build {f'that satisfies --pin {pin} ' if pin else ''}works here for {cards or 'the CPU'}."


def _ways(first: str, detours: Sequence[Detour]) -> str:
    ways: List[str] = [first] if first else []
    for way in detours:
        ways.append(f"{'Or: ' if ways else ''}{way.command}   ({way.gets})")
    return "\n         ".join(ways) or "dreamboot plan --explain   shows every candidate"
