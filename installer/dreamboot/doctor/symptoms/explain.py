"""Weighs what a log shows: a cause before its consequences, an error before a warning, silence before a guess."""

from __future__ import annotations

from typing import Dict, List, Optional, Sequence, Set, Tuple, Union

from dreamboot.doctor.symptoms.base import Cause, Explanation, Level, Match, Symptom
from dreamboot.doctor.symptoms.registry import symptoms
from dreamboot.doctor.symptoms.structure import Raised, exceptions
from dreamboot.doctor.symptoms.text import Log, fill, read_log
from dreamboot.model import FixStep, Problem
from dreamboot.values import value

ANSWERS = 4
WOULD_HELP = (
    "the whole output, from the first line on (the first error is the telling one, not the last)",
    "what `dreamboot doctor --python PATH` says of the Python that ran the program",
    "the command that was run",
)


@value
class Seen:
    """A symptom that stands in the log."""

    symptom: Symptom
    match: Match
    score: float
    fatal: bool


def explain(text: Union[str, bytes]) -> Tuple[Cause, ...]:
    """The causes that a log shows, best first; empty when it shows none that is known."""
    return examine(text).causes


def examine(text: Union[str, bytes]) -> Explanation:
    """Like `explain`, with the harmless lines that were recognised and the facts that would help."""
    log = read_log(text)
    raised = exceptions(log)
    seen = [item for symptom in symptoms() for item in _look(symptom, log, raised)]
    harmless = tuple(item.symptom.what for item in seen if item.symptom.level is Level.NOISE)
    ranked = _rank([item for item in seen if item.symptom.level is not Level.NOISE], raised)
    causes = tuple(_cause(item, log) for item in ranked[:ANSWERS])
    return Explanation(causes=causes, harmless=harmless, would_help=() if causes else WOULD_HELP)


def _look(symptom: Symptom, log: Log, raised: Sequence[Raised]) -> List[Seen]:
    """The best place of a symptom in the log, if any."""
    best: Optional[Seen] = None
    for sign in symptom.signs:
        for match in log.find_all(sign):
            if symptom.when is not None and not symptom.when(match.captures, log):
                continue
            if symptom.level is not Level.NOISE and log.note_at(match.start):
                continue
            item = _seen(symptom, match, raised)
            if best is None or item.score > best.score:
                best = item
    if best is None or (symptom.needs and not log.has(*symptom.needs)) or log.has(*symptom.unless):
        return []
    return [best]


def _seen(symptom: Symptom, match: Match, raised: Sequence[Raised]) -> Seen:
    holder = next((one for one in raised if one.start <= match.start < one.end), None)
    score = float(symptom.weight)
    if holder is not None and symptom.level is not Level.WARNING:
        score += 10 + (5 if holder.inner else 0)
    return Seen(symptom=symptom, match=match, score=score, fatal=symptom.level in (Level.CAUSE, Level.LATE))


def _rank(seen: List[Seen], raised: Sequence[Raised]) -> List[Seen]:
    """Best first; without warnings when the program stopped for another reason."""
    present = {item.symptom.id for item in seen}
    explained: Set[str] = set()
    for item in seen:
        explained.update(item.symptom.leads_to)
    errors = [item for item in seen if item.fatal and item.symptom.id not in explained]
    stopped = _unexplained_stop(seen, raised)
    kept: List[Seen] = []
    for item in seen:
        if item.symptom.level is Level.WARNING and not _relevant(item, present, errors, stopped):
            continue
        kept.append(item)
    order: Dict[str, float] = {
        item.symptom.id: item.score - (60 if item.symptom.id in explained else 0) for item in kept
    }
    # Of equals the first in the log: the first failing rank, the first traceback.
    return sorted(kept, key=lambda item: (-order[item.symptom.id], item.match.start))


def _unexplained_stop(seen: Sequence[Seen], raised: Sequence[Raised]) -> Optional[Raised]:
    """The last exception (launchers aside) when no symptom speaks of it."""
    real = [one for one in raised if not one.wrapper]
    if not real:
        return None
    last = real[-1]
    spoken = any(
        item.fatal and item.match.start < one.end and item.match.end > one.start for item in seen for one in real
    )
    return None if spoken else last


def _relevant(item: Seen, present: Set[str], errors: Sequence[Seen], stopped: Optional[Raised]) -> bool:
    """Whether a warning can be the reason: nothing stopped, or what stopped follows from it."""
    if any(name in present for name in item.symptom.leads_to):
        return True
    if stopped is not None:
        return any(package in file for package in item.symptom.packages for file in stopped.files)
    return not errors


def _cause(item: Seen, log: Log) -> Cause:
    symptom = item.symptom
    captures = {"python": log.python, **item.match.captures}
    fix = tuple(
        FixStep(command=fill(command, captures), changes=fill(changes, captures)) for command, changes in symptom.fix
    )
    line = log.lines[log.line_at(item.match.start)].strip() if log.lines else ""
    return Cause(
        id=symptom.id,
        area=symptom.area,
        confidence=round(max(0.05, min(0.99, item.score / 100)), 2),
        problem=Problem(
            id=symptom.id,
            what=fill(symptom.what, captures),
            cause=fill(symptom.cause, captures),
            hint=fix[0].command if fix else "",
            link=symptom.link,
        ),
        fix=fix,
        evidence=line[:300],
    )
