"""Flags of other DreamBooth trainers, and what each of them is here. The facts are in the two .tsv files."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from functools import cache
from pathlib import Path

KINDS = ("same", "key", "like", "setting", "option", "needless", "absent")
"""What a flag may be here; the head of flags.tsv says what each means."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    """A flag as some scripts have it. `there`: `trainer:script` of each, the row's source."""

    flag: str
    there: tuple[str, ...]
    kind: str
    here: str
    note: str

    @property
    def trainers(self) -> tuple[str, ...]:
        """Whose flag it is."""
        return tuple(dict.fromkeys(place.partition(":")[0] for place in self.there))

    @property
    def spellings(self) -> dict[str, str]:
        """Its names as a key would be written, and as they are typed: `-s,--seed` is seed and s."""
        typed = reversed(self.flag.split(","))
        return {word.lstrip("-").replace("-", "_"): word for word in typed}

    @property
    def settings(self) -> tuple[tuple[str, str], ...]:
        """(key, value as TOML) of what a `setting` is here."""
        pairs = (text.partition(" = ") for text in self.here.split("; "))
        return tuple((name, value) for name, _, value in pairs)


@dataclass(frozen=True, kw_only=True, slots=True)
class Trainer:
    """Whose flags these are, in which version they were read, and what differs beyond single flags."""

    name: str
    title: str
    source: str
    note: str


@cache
def rows() -> tuple[Row, ...]:
    """Every row, in the order of the names."""
    return tuple(Row(there=tuple(row.pop("there").split()), **row) for row in _table("flags.tsv"))


@cache
def trainers() -> tuple[Trainer, ...]:
    """Every trainer, in the order of the page."""
    return tuple(Trainer(**row) for row in _table("trainers.tsv"))


def row_of(name: str) -> Row | None:
    """What is known of a name that is no key here, spelt as a key would be; None where no trainer has it."""
    return _by_name().get(name)


@cache
def _by_name() -> dict[str, Row]:
    return {name: row for row in reversed(rows()) for name in row.spellings}


def _table(name: str) -> list[dict[str, str]]:
    text = (Path(__file__).parent / name).read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    return list(csv.DictReader(lines, delimiter="\t", quoting=csv.QUOTE_NONE, restval=""))
