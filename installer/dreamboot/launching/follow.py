"""Follows a running trainer: its events.jsonl becomes our events, its end becomes an exit code or a Problem."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any, Dict, Iterator, Mapping, Optional, Tuple

from dreamboot.host import Host
from dreamboot.host.base import Child
from dreamboot.launching.workers import killed_worker, lost_host
from dreamboot.model import DreambootError, Event, EventKind, ExitCode, Problem

# The id of the Problem of a trainer that died without saying why.
UNEXPLAINED = "trainer-died"
POLL_SECONDS = 0.2
# The stage of the event by which the trainer says that it was interrupted.
STOP = "stop"
# A training step on a slow machine, and then writing a checkpoint of several GB, must fit before we end it.
GRACE_SECONDS = 180.0


def follow(host: Host, child: Child, events: Path, log: Path, *, hosts: int = 1) -> Iterator[Event]:
    """Yield the trainer's events until it ends; `events` is read from its present end on. `hosts` train together.

    Raises `DreambootError` with the trainer's own Problem when it ends badly. On Ctrl-C the trainer is asked to save
    its work, and KeyboardInterrupt goes on when it has.
    """
    reader = EventReader(events)
    failure: Optional[Problem] = None
    stopped = failed = False
    # Earlier calls wrote to the same file.
    before = log.stat().st_size if log.exists() else 0
    try:
        while True:
            ended = child.poll()
            for event in reader.new():
                failure = event.problem or failure
                failed = event.problem is not None
                # Restarted processes go on after the word of those before them.
                stopped = event.stage == STOP
                yield event
            if ended is not None:
                break
            time.sleep(POLL_SECONDS)
    except KeyboardInterrupt:
        yield Event(kind=EventKind.STARTED, stage="stop", message="saving the work; press Ctrl-C again to stop at once")
        yield from _wind_down(child, reader)
        raise
    except GeneratorExit:
        # Ctrl-C came while our caller was drawing an event. Nobody listens any more; the work is saved all the same.
        for _ in _wind_down(child, reader):
            pass
        raise
    except BaseException:
        child.end()
        raise
    killed = None
    if ended:
        said = (host.read_bytes(log) or b"")[before:].decode("utf-8", "replace")
        killed = killed_worker(said, events.parent / "config.toml")
        # On one host the lost process has a log of its own here, which tells more.
        killed = killed or (lost_host(said) if hosts > 1 else None)
    # accelerate's launcher turns the trainer's 130 into a 1, torch's would restart it: the trainer then ends with 0.
    # An interrupt may reach the trainer and not us.
    if ended == int(ExitCode.INTERRUPTED) or (stopped and failure is None and killed is None):
        raise KeyboardInterrupt
    # What would fail again ends with 0 too, where it would be restarted: then its Problem is the last event.
    if ended or failed:
        raise DreambootError(failure or killed or _unexplained(host, ended, log))


def _wind_down(child: Child, reader: EventReader) -> Iterator[Event]:
    child.ask_to_stop()
    begun = time.monotonic()
    try:
        while child.poll() is None and time.monotonic() - begun < GRACE_SECONDS:
            yield from reader.new()
            time.sleep(POLL_SECONDS)
        yield from reader.new()
    finally:
        child.end()


class EventReader:
    """Reads whole new lines of an event file that another process appends to."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._offset = path.stat().st_size if path.exists() else 0

    def new(self) -> Iterator[Event]:
        """The events since the last call; a line that is still being written waits."""
        if not self._path.exists():
            return
        with self._path.open("rb") as file:
            file.seek(self._offset)
            data = file.read()
        whole = data.rfind(b"\n") + 1
        self._offset += whole
        for line in data[:whole].decode("utf-8", "replace").splitlines():
            event = parse_event(line)
            if event is not None:
                yield event


def parse_event(line: str) -> Optional[Event]:
    """One line of events.jsonl; None for what is none (a newer trainer's kind, a torn line)."""
    try:
        record: Dict[str, Any] = json.loads(line)
        kind = EventKind(record["event"])
    except (ValueError, KeyError, TypeError):
        return None
    data: Mapping[str, Any] = record.get("data") or {}
    message = str(record.get("message", ""))
    if kind is EventKind.PROGRESS and "loss" in data:
        message = f"training, loss {data['loss']:.4f}"
    if kind is EventKind.PROGRESS and record.get("stage") == "sample":
        # Counted in steps of the training: as a bar of its own it would stand still most of the time.
        told = {**data, "important": True}
        return Event(kind=EventKind.LINE, stage="sample", message=f"samples: {data.get('path', '')}", data=told)
    return Event(
        kind=kind, stage=str(record.get("stage", "")), message=message, done=record.get("done"),
        total=record.get("total"), unit=str(record.get("unit", "")), data=data, problem=_problem(data.get("problem")),
    )  # fmt: skip


def _problem(data: Any) -> Optional[Problem]:
    if not isinstance(data, Mapping):
        return None
    return Problem(**{key: str(data.get(key, "")) for key in ("id", "what", "cause", "hint", "link")})


def _unexplained(host: Host, code: int, log: Path) -> Problem:
    """The trainer died without a Problem: killed, out of memory, a crash in a library."""
    cause, hint = _death(code)
    tail = [line for line in (host.read_text(log) or "").splitlines() if line.strip()][-3:]
    return Problem(
        id=UNEXPLAINED,
        what="The trainer ended without saying why.",
        cause=f"{cause} Its last words: {' / '.join(tail)[-500:] or '(none)'}",
        hint=hint.format(log=log),
    )


def _death(code: int) -> Tuple[str, str]:
    if code in (-9, 137):
        return (
            "It was killed (signal 9): usually the system ran out of memory.",
            "Close other programs, or lower the batch size; then run the same command again: it goes on.",
        )
    return f"It ended with code {code}.", "dreamboot explain {log}"
