"""The run's log for programs: one JSON object per line, flushed at once."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, TextIO

from dreamboot_trainer import shell
from dreamboot_trainer.problems import Problem, TrainerError, mismatch

SCHEMA = 1
STAGES = ("prepare", "class-images", "cache", "train", "sample", "save", "export")

OVER = "over"
"""Key in the data of the line that says that training starts over: the steps before it are of another training."""

Listener = Callable[[dict[str, Any]], None]


class EventLog:
    """Appends to events.jsonl and tells the listeners. Only the first process of a run writes.

    `path` None (other processes, checks) tells the listeners alone; `failures`: where another process writes a Problem
    all the same, which the first one may never learn of.
    """

    def __init__(self, path: Path | None, *listeners: Listener, failures: Path | None = None) -> None:
        self._listeners = listeners
        self._failures = failures
        self._file: TextIO | None = None
        if path is not None:
            _end_torn_line(path)
            self._file = _open(path)

    def started(self, stage: str, message: str, **data: Any) -> None:
        """A stage begins."""
        self._write("started", stage, message, data)

    def line(self, stage: str, message: str, **data: Any) -> None:
        """Something a person should read."""
        self._write("line", stage, message, data)

    def progress(self, stage: str, done: int, total: int, unit: str, **data: Any) -> None:
        """`done` of `total` units (images, steps, files) of a stage."""
        self._write("progress", stage, "", data, done=done, total=total, unit=unit)

    def finished(self, stage: str, message: str = "", **data: Any) -> None:
        """A stage has ended well."""
        self._write("finished", stage, message, data)

    def failed(self, stage: str, problem: Problem) -> None:
        """A stage has ended with a Problem."""
        if self._file is None and self._failures is not None:
            self._file = _open(self._failures)
        self._write("failed", stage, problem.what, {"problem": problem.to_json()})

    def close(self) -> None:
        """Close the file; nothing is written after it."""
        if self._file is not None:
            with suppress(OSError):  # what could not be written was told when it was to be
                self._file.close()
            self._file = None

    def _write(self, event: str, stage: str, message: str, data: dict[str, Any], **counts: Any) -> None:
        record: dict[str, Any] = {
            "schema": SCHEMA,
            "time": round(time.time(), 3),
            "event": event,
            "stage": stage,
            **counts,
        }
        if message:
            record["message"] = message
        if data:
            record["data"] = data
        if self._file is not None:
            self._append(self._file, record)
        for listener in self._listeners:
            listener(record)

    def _append(self, file: TextIO, record: dict[str, Any]) -> None:
        try:
            file.write(json.dumps(record, ensure_ascii=False, allow_nan=False) + "\n")
            file.flush()
        except OSError as error:
            if record["event"] == "failed":  # the listeners are told all the same
                return
            raise TrainerError(
                mismatch(
                    "cannot-write",
                    f"{file.name} could not be written; the checkpoints made so far are kept.",
                    "room and permission to write",
                    error.strerror or error,
                    shell.room(Path(file.name).parent),
                )
            ) from error


def _open(path: Path) -> TextIO:
    """A file's name may hold bytes that are no UTF-8: they become the escapes that JSON has for them."""
    return path.open("a", encoding="utf-8", errors="backslashreplace")


def failed_since(path: Path, moment: float) -> bool:
    """Whether a process told a Problem at or after `moment` (Unix seconds)."""
    return any(record.get("event") == "failed" for record in _since(path, moment))


def started_over_since(path: Path, moment: float) -> bool:
    """Whether training started over at or after `moment` (Unix seconds)."""
    return any(_data(record).get(OVER) for record in _since(path, moment))


def _since(path: Path, moment: float) -> list[dict[str, Any]]:
    return [record for record in read_events(path) if _time(record) >= moment]


def _time(record: dict[str, Any]) -> float:
    """When it was written; 0 in a file that somebody else has written into."""
    found = record.get("time")
    return found if isinstance(found, (int, float)) else 0.0


def read_events(path: Path) -> tuple[dict[str, Any], ...]:
    """Every whole line of an event file; a last line torn by a kill is left out."""
    if not path.is_file():
        return ()
    records = []
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        try:
            record = json.loads(line)
        except ValueError:
            continue
        if isinstance(record, dict):
            records.append(record)
    return tuple(records)


def read_training(path: Path) -> tuple[dict[str, Any], ...]:
    """The events since training last started over."""
    records = read_events(path)
    marks = [place for place, record in enumerate(records) if _data(record).get(OVER)]
    return records[marks[-1] :] if marks else records


def _data(record: dict[str, Any]) -> dict[str, Any]:
    data = record.get("data")
    return data if isinstance(data, dict) else {}


def _end_torn_line(path: Path) -> None:
    """A killed run may have left half a line; the next record must not be glued to it."""
    if not path.is_file() or path.stat().st_size == 0:
        return
    with path.open("rb+") as file:
        file.seek(-1, 2)
        if file.read(1) != b"\n":
            file.write(b"\n")
