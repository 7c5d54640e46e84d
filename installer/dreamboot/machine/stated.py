"""A machine stated in a file instead of read: lenient in spelling, strict about names it does not know."""

from __future__ import annotations

import dataclasses
import difflib
import json
from pathlib import Path
from typing import Any, Dict, List, Mapping

from dreamboot.machine.saved import saved_output
from dreamboot.machine.stating import State, fields_of, graphics, machine_fields
from dreamboot.model import DreambootError, Machine, Problem, SourceKind
from dreamboot.values import from_json, parse_toml, to_json


def read_stated(path: Path) -> Machine:
    """The machine stated in a TOML or JSON file, or in a vendor tool's saved output; raises `DreambootError`."""
    try:
        data = Path(path).read_bytes()
        # PowerShell's ">" writes UTF-16.
        text = data.decode("utf-16" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise _unreadable(path, str(error)) from error
    text = text.replace("\r\n", "\n")
    saved = saved_output(text)
    if saved is not None:
        return state_machine(to_json(saved), str(path))
    try:
        table = json.loads(text) if text.lstrip().startswith("{") else parse_toml(text)
    except (ValueError, RecursionError) as error:
        raise _unreadable(path, f"It is neither TOML nor JSON: {error}") from error
    return state_machine(table, str(path))


def state_machine(data: Mapping[str, Any], origin: str = "the stated machine") -> Machine:
    """A machine from plain data (what `detect --json` prints, or a few facts by hand); raises `DreambootError`."""
    _refuse_unknown(data, origin)
    try:
        state: State = machine_fields(data)
        state["gpus"], state["drivers"] = graphics(data)
        state.setdefault(
            "sources", [{"kind": kind.value} for kind in (SourceKind.PYTORCH_INDEX, SourceKind.DEFAULT_INDEX)]
        )
        check_kinds(Machine, state)
        return from_json(Machine, state)
    except (ValueError, TypeError) as error:
        raise DreambootError(
            Problem(
                id="stated-machine-value",
                what=f"{origin} gives a value that does not fit.",
                cause=str(error),
                hint="dreamboot detect --json prints a machine in the form that is expected.",
            )
        ) from error


def _refuse_unknown(data: Mapping[str, Any], origin: str) -> None:
    known = fields_of("machine")
    wrong = [(name, known) for name in data if name not in known]
    for table, kind in (
        ("gpus", "gpu"),
        ("gpu", "gpu"),
        ("drivers", "driver"),
        ("pythons", "python"),
        ("disks", "disk"),
    ):
        wrong += [
            (name, fields_of(kind)) for item in _tables(data.get(table)) for name in item if name not in fields_of(kind)
        ]
    if not wrong:
        return
    name, choices = wrong[0]
    near = difflib.get_close_matches(str(name).lower(), choices, n=1, cutoff=0.5)
    raise DreambootError(
        Problem(
            id="stated-machine-key",
            what=f"{origin} states '{name}', which no machine has.",
            cause=f"Known here: {', '.join(choices)}.",
            hint=f"Write '{near[0]}' instead of '{name}'." if near else f"Leave '{name}' out.",
        )
    )


def _tables(value: Any) -> List[Dict[str, Any]]:
    items = value if isinstance(value, list) else [value]
    return [item for item in items if isinstance(item, dict)]


def _unreadable(path: Path, cause: str) -> DreambootError:
    return DreambootError(
        Problem(
            id="stated-machine-unreadable",
            what=f"The stated machine can't be read from {path}.",
            cause=cause,
            hint=f"dreamboot detect --json > {path} writes one that can be edited.",
        )
    )


_KINDS = {"str": (str, int, float), "int": (int,), "bool": (bool,), "Optional[int]": (int, type(None))}
_KINDS["Optional[bool]"] = (bool, type(None))


def check_kinds(cls: type, data: Mapping[str, Any]) -> None:
    """Raises ValueError where a plain field holds another kind of value: "false" is no False, 3.5 no whole number."""
    for field in dataclasses.fields(cls):
        kind, value = _KINDS.get(str(field.type)), data.get(field.name)
        if kind is None or field.name not in data:
            continue
        if not isinstance(value, kind) or (isinstance(value, bool) and bool not in kind):
            raise ValueError(f"{field.name} is {value!r}, which is no {field.type}")
