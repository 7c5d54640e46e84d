"""A name that is no key of the schema: what to write in its place, spelt as the name came in."""

from __future__ import annotations

import difflib
import json
from collections.abc import Sequence
from enum import Enum
from typing import TYPE_CHECKING, Any

from dreamboot_trainer.config import Key, keys
from dreamboot_trainer.config_values import parse_value, toml_value
from dreamboot_trainer.problems import Problem
from dreamboot_trainer.shell import quoted

if TYPE_CHECKING:
    from dreamboot_trainer.other_trainers import Row

UNKNOWN_KEY = "config-unknown-key"


class Way(Enum):
    """How a setting came in: its advice is spelt the same way."""

    FILE = "file"
    SET = "--set"
    FLAG = "flag"


def unknown_key(name: str, value: object, way: Way, candidates: Sequence[Key], place: str = "") -> Problem:
    """The Problem of a name with its value; `candidates` are what it may be a slip of, `place` where it stood."""
    # The table of other trainers' flags is read when it is needed, and not at every start.
    from dreamboot_trainer import other_trainers

    near = _nearest(name, candidates)
    ours = near is not None and near.name == name
    row = None if ours else other_trainers.row_of(name)
    typed = name if way is not Way.FLAG else _typed(name, row)
    if row is not None:
        hint = _advice(row, typed, value, way)
    elif near is None:
        hint = f"Leave {typed} out, or look for its like: dreamboot train --help"
    else:
        hint = f"Write {_written(near, value, way)}{'' if ours else f' in place of {typed}'}."
    return Problem(
        id=UNKNOWN_KEY,
        what=f"There is no flag {typed}." if way is Way.FLAG else f"The configuration has an unknown {place}: {name}.",
        cause=_cause(row, near),
        hint=hint,
    )


def unknown_section(name: str, sections: Sequence[str]) -> Problem:
    """The Problem of a section that the schema does not have."""
    near = nearest_section(name, sections)
    return Problem(
        id=UNKNOWN_KEY,
        what=f"The configuration has an unknown section: {name}.",
        cause=f"Expected {', '.join(sections)}; nearest: {near or 'none'}.",
        hint=f"Write [{near}] in place of [{name}]." if near else f"Leave [{name}] out: dreamboot train --help",
    )


def nearest_section(name: str, sections: Sequence[str]) -> str:
    """The section that was likely meant; "" where none is like it."""
    return next(iter(difflib.get_close_matches(name, sections, n=1, cutoff=0.5)), "")


def _nearest(name: str, candidates: Sequence[Key]) -> Key | None:
    found = difflib.get_close_matches(name, [key.name for key in candidates], n=1, cutoff=0.5)
    return next((key for key in candidates if found and key.name == found[0]), None)


def _cause(row: Row | None, near: Key | None) -> str:
    if row is None or row.trainers == ("common",):
        return f"Expected a name of the schema; nearest: {near.name if near else 'none'}."
    return f"Expected a name of the schema; found one of {', '.join(row.trainers)}."


def _typed(name: str, row: Row | None) -> str:
    plain = f"-{name}" if len(name) == 1 else f"--{name}"
    return plain if row is None else row.spellings.get(name, plain)


def _advice(row: Row, typed: str, value: object, way: Way) -> str:
    """What a flag of another trainer is here, with its value where that stays."""
    known = {key.name: key for key in keys()}
    why = f": {row.note}" if row.note else ""
    beside = f" ({row.note})" if row.note else ""
    if row.kind == "needless":
        return f"Leave {typed} out{why}."
    if row.kind == "absent":
        return f"Leave {typed} out, which is not here{why}."
    if row.kind == "option":
        return f"Write {row.here} in place of {typed}{why}."
    if row.kind == "like":
        own = [_named(known[name], way) for name in row.here.split()]
        return f"Write {', '.join(own)}{', each' * (len(own) > 1)} with a value of its own in place of {typed}{why}."
    if row.kind == "setting":
        if str(value).lower() in ("false", "no", "0"):
            return f"Leave {typed} out: it is off."
        settings = [_written(known[name], json.loads(text), way) for name, text in row.settings]
        return f"Write {(' and ' if way is Way.FILE else ' ').join(settings)} in place of {typed}{beside}."
    key = known[row.here or next(iter(row.spellings))]
    fit = _fitting(key, value)
    if fit is None:
        return f"Write {_named(key, way)} in place of {typed}, with one of {', '.join(key.choices)}."
    written = _written(key, fit, way)
    if key.section == "lora":  # an adapter's setting alone would change nothing
        written = f"{_written(known['method'], 'lora', way)}{' and ' if way is Way.FILE else ' '}{written}"
    return f"Write {written} in place of {typed}{beside if row.here and not key.choices else ''}."


def _fitting(key: Key, value: object) -> object | None:
    """The value as the key spells it (AdamW8bit, PagedAdamW8bit), or None where it is none of its choices."""
    if not key.choices:
        return value
    return next((choice for choice in key.choices if _squeezed(choice) == _squeezed(str(value))), None)


def _squeezed(text: str) -> str:
    return text.lower().replace("_", "")


def _named(key: Key, way: Way) -> str:
    """The key alone."""
    if way is Way.FILE:
        return f"{key.name} in section [{key.section}]"
    return f"--{key.name}" if way is Way.FLAG else f"--set {key.name}=..."


def _written(key: Key, value: object, way: Way) -> str:
    """The key with its value, to be pasted."""
    if way is Way.FILE:
        return f"{key.name} = {toml_value(_of_type(key, value))} in section [{key.section}]"
    text = value if isinstance(value, str) else toml_value(value)
    return f"--{key.name} {quoted(text)}" if way is Way.FLAG else f"--set {quoted(f'{key.name}={text}')}"


def _of_type(key: Key, value: object) -> Any:
    """The value as the key's type wants it, where it came as a text or as one of a list."""
    return parse_value(key, value) if isinstance(value, str) else value
