"""Known conflicts of the catalog: found by the facts of a decision, named by id, packages and source."""

from __future__ import annotations

from typing import Dict, Iterable, Iterator, List, Mapping, Optional, Tuple

from packaging.requirements import Requirement
from packaging.specifiers import Specifier
from packaging.utils import canonicalize_name

from dreamboot.catalog import Catalog
from dreamboot.catalog.rows import Conflict
from dreamboot.catalog.versions import cuda_of, numbers
from dreamboot.model import DreambootError, ExitCode, KnownConflict, Problem
from dreamboot.planning.pins import allows
from dreamboot.planning.question import Candidate, Question

# Fact → its values: a version, or the lowest and the highest that a range leaves.
Facts = Mapping[str, Tuple[str, ...]]
# Of these one value is enough: one GPU without code, one Python without a wheel.
_ANY = ("compute-capability", "python")
_LOWEST, _HIGHEST = "0", "99999"


class PinRefusedError(DreambootError):
    """A pin that can't be honoured, with the known conflicts that it meets."""

    def __init__(self, problem: Problem, conflicts: Iterable[KnownConflict] = ()) -> None:
        super().__init__(problem, exit_code=ExitCode.REFUSED)
        self.conflicts = tuple(conflicts)


def named(identifier: str, catalog: Catalog) -> KnownConflict:
    """The conflict of that id; raises `KeyError` when the catalog has none."""
    by_id = catalog.remember("conflict-ids", lambda: {row.id: row for row in catalog.table("conflicts")})
    return in_short(by_id[identifier])


def holding(rule: str, facts: Facts, catalog: Catalog) -> Iterator[Conflict]:
    """The rows that `rule` speaks of and whose facts all hold."""
    for row in catalog.table("conflicts"):
        if row.rule == rule and row.holds and all(_holds(row, name, facts) for name in row.holds):
            yield row


def known(rule: str, facts: Facts, catalog: Catalog) -> Optional[KnownConflict]:
    """The first such row in short."""
    return next((in_short(row) for row in holding(rule, facts, catalog)), None)


def of_candidate(rule: str, candidate: Candidate, question: Question) -> Optional[KnownConflict]:
    """The known conflict behind a rule's objection to a build."""
    usable = {item.minor for item in question.interpreters if item.path and not item.fault}
    facts = {
        **surroundings(candidate, question),
        "source": (candidate.kind.value,),
        "compute-capability": tuple(card.compute_capability for card in question.target.cards),
        "python": tuple(sorted(usable)),
    }
    return known(rule, facts, question.catalog)


def surroundings(candidate: Candidate, question: Question) -> Facts:
    """What a build fixes for the packages beside it: torch, its CUDA, the system."""
    cuda = cuda_of(candidate.tag)
    return {
        "torch": (candidate.version,),
        "system": (question.machine.os,),
        **({"cuda": (cuda,)} if cuda else {}),
    }


def ends(requirements: Mapping[str, str]) -> Facts:
    """Requirement text per distribution → the lowest and the highest version that it leaves."""
    found: Dict[str, Tuple[str, ...]] = {}
    for name, text in requirements.items():
        specifier = Requirement(f"x{text}").specifier
        exact = [part.version for part in specifier if part.operator in ("==", "===") and "*" not in part.version]
        found[canonicalize_name(name)] = (exact[0].partition("+")[0],) if exact else _range(specifier)
    return found


def _range(specifier: Iterable[Specifier]) -> Tuple[str, str]:
    lowest, highest = _LOWEST, _HIGHEST
    for part in specifier:
        if part.operator in (">=", ">", "~=", "=="):
            lowest = max(lowest, part.version.replace(".*", ""), key=numbers)
        if part.operator == "~=":
            highest = min(highest, f"{part.version.rpartition('.')[0]}.9999", key=numbers)
        if part.operator == "==":
            highest = min(highest, part.version.replace("*", "9999"), key=numbers)
        if part.operator in ("<", "<="):
            highest = min(highest, part.version if part.operator == "<=" else _below(part.version), key=numbers)
    return lowest, highest


def _below(version: str) -> str:
    """A version just below: "0.37" → "0.36.9999", "5" → "4.9999"."""
    parts: List[int] = list(numbers(version))
    while parts and parts[-1] == 0:
        parts.pop()
    if not parts:
        return _LOWEST
    return ".".join(map(str, [*parts[:-1], parts[-1] - 1, 9999]))


def _holds(row: Conflict, name: str, facts: Facts) -> bool:
    wanted, values = row.holds[name], facts.get(name, ())
    if wanted[:1].isalpha():
        return wanted in values
    fitting = [bool(text) and allows(Requirement(f"x{wanted}"), text) for text in values]
    return any(fitting) if name in _ANY else bool(fitting) and all(fitting)


def in_short(row: Conflict) -> KnownConflict:
    """What a refusal tells of a row."""
    return KnownConflict(id=row.id, packages=row.packages, source=row.source)
