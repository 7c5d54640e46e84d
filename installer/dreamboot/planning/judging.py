"""Every rule asked about every candidate; the best accepted one picked."""

from __future__ import annotations

from typing import Any, Optional, Sequence, Tuple

from dreamboot.catalog.versions import at_least, cuda_of, numbers
from dreamboot.model import KnownConflict, Rejected
from dreamboot.planning import conflicts
from dreamboot.planning.candidates import candidates
from dreamboot.planning.question import Candidate, Objection, Question
from dreamboot.planning.rules import Rule, all_rules
from dreamboot.planning.stack import interpreter_for
from dreamboot.values import value


@value
class Found:
    """One rule's objection."""

    rule: Rule
    objection: Objection


@value
class Verdict:
    """A candidate and everything that speaks against it; nothing means accepted."""

    candidate: Candidate
    findings: Tuple[Found, ...]

    @property
    def accepted(self) -> bool:
        """Whether no rule objects."""
        return not self.findings

    @property
    def effort(self) -> int:
        """What it would take to accept it: the sum of the ways round its objections."""
        return sum(int(found.rule.way) for found in self.findings)


def judge(question: Question) -> Tuple[Verdict, ...]:
    """All candidates with all objections, in the order of the sources."""
    rules = all_rules()
    verdicts = []
    for candidate in candidates(question.machine, question.wish, question.catalog):
        findings = []
        for rule in rules:
            objection = rule.check(candidate, question)
            if objection is not None:
                findings.append(Found(rule=rule, objection=objection))
        verdicts.append(Verdict(candidate=candidate, findings=tuple(findings)))
    return tuple(verdicts)


def best_of(verdicts: Sequence[Verdict], question: Question) -> Optional[Candidate]:
    """The accepted candidate to take; None when there is none.

    An interpreter of the machine before a download; a build made for the device before one that merely works on it;
    then the sources in their order; then the newest release; within it a CUDA that the driver itself ships with before
    one that works by minor-version compatibility, a verified build, and the newest CUDA.
    """
    accepted = [verdict.candidate for verdict in verdicts if verdict.accepted]
    return max(accepted, key=lambda candidate: _preference(candidate, question), default=None)


def _preference(candidate: Candidate, question: Question) -> Tuple[Any, ...]:
    item = interpreter_for(candidate, question)
    made_for_it = question.target.device != "cpu" or not candidate.tag.startswith("cu")
    return (
        bool(item and item.path),
        made_for_it,
        -candidate.source_rank,
        numbers(candidate.version),
        *build_preference(candidate, question),
    )


def build_preference(candidate: Candidate, question: Question) -> Tuple[bool, bool, Tuple[int, ...]]:
    """Among the builds of one release: the driver's own CUDA, then a verified one, then the newest CUDA or ROCm."""
    newest = numbers(cuda_of(candidate.tag) or candidate.tag[4:])
    return _native(candidate, question), not candidate.unverified, newest


def _native(candidate: Candidate, question: Question) -> bool:
    """Whether the driver is as new as the one that shipped with the build's CUDA (Windows shares the branch number)."""
    driver, toolkit = question.target.driver, question.catalog.toolkit(cuda_of(candidate.tag))
    if driver is None or toolkit is None:
        return True
    if not driver.version:
        return at_least(driver.cuda_version, toolkit.cuda)
    windows = question.machine.os == "windows" or question.machine.wsl > 0
    shipped = (windows and toolkit.ships_windows) or toolkit.ships_linux
    branch_alone = len(numbers(driver.version)) == 1
    if branch_alone or (windows and not toolkit.ships_windows):
        return numbers(driver.version)[:1] >= numbers(shipped)[:1]
    return at_least(driver.version, shipped)


def conflict_of(found: Found, candidate: Candidate, question: Question) -> Optional[KnownConflict]:
    """The known conflict behind one objection."""
    if found.objection.conflict:
        return conflicts.named(found.objection.conflict, question.catalog)
    return conflicts.of_candidate(found.rule.id, candidate, question)


def rejected_of(verdicts: Sequence[Verdict], question: Question) -> Tuple[Rejected, ...]:
    """The rejected candidates, each with the first (most fundamental) objection."""
    return tuple(
        Rejected(
            candidate=verdict.candidate.label,
            reason=verdict.findings[0].objection.reason,
            rule=verdict.findings[0].rule.id,
            conflict=conflict_of(verdict.findings[0], verdict.candidate, question),
        )
        for verdict in verdicts
        if verdict.findings
    )
