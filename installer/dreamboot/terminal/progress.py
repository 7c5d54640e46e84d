"""Events as they happen: a live bar on a terminal, one line per stage and quarter elsewhere."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Dict, Optional

from dreamboot.model import Event, EventKind

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

# A line at most this often (seconds) where there is no terminal to redraw: logs stay readable.
PLAIN_EVERY = 15.0


class Watcher:
    """Folds events into what a person sees on stderr."""

    def __init__(self, *, quiet: bool, debug: bool) -> None:
        self._quiet = quiet
        self._debug = debug
        self._live = sys.stderr.isatty() and not quiet
        self._progress: Optional[Progress] = None
        self._tasks: Dict[str, TaskID] = {}
        self._said: Dict[str, float] = {}

    def see(self, event: Event) -> None:
        """Show one event."""
        if self._quiet:
            return
        if event.kind is EventKind.PROGRESS:
            self._advance(event)
        elif event.kind is EventKind.LINE:
            if event.data.get("raw"):
                self._print(event.message)
            elif self._debug or event.data.get("important"):
                self._print(f"  {event.message}")
        elif event.kind is EventKind.STARTED:
            self._print(f"{event.stage}: {event.message}" if event.message else event.stage)
        elif event.kind is EventKind.FINISHED:
            self._end_task(event.stage)
            if event.message:
                self._print(f"  {event.message}")
        elif event.kind is EventKind.FAILED and event.message:
            self._end_task(event.stage)
            self._print(f"  failed: {event.message}")

    def close(self) -> None:
        """End the live display; what it showed stays on the screen."""
        if self._progress is not None:
            self._progress.stop()
            self._progress = None

    def _print(self, text: str) -> None:
        if self._progress is not None:
            self._progress.console.print(text, markup=False, highlight=False)
        else:
            sys.stderr.write(text + "\n")
            sys.stderr.flush()

    def _advance(self, event: Event) -> None:
        if not self._live:
            self._advance_plain(event)
            return
        progress = self._started_progress()
        text = event.message or event.stage
        if event.stage not in self._tasks:
            self._tasks[event.stage] = progress.add_task(text, total=event.total, unit=event.unit)
        progress.update(self._tasks[event.stage], completed=event.done or 0, total=event.total, description=text)

    def _advance_plain(self, event: Event) -> None:
        now = time.monotonic()
        last = self._said.get(event.stage)
        complete = event.total is not None and event.done == event.total
        if last is not None and now - last < PLAIN_EVERY and not complete:
            return
        self._said[event.stage] = now
        self._print(f"  {amount(event)} {event.message}".rstrip())

    def _end_task(self, stage: str) -> None:
        task = self._tasks.pop(stage, None)
        if task is not None and self._progress is not None:
            self._progress.remove_task(task)

    def _started_progress(self) -> Progress:
        if self._progress is None:
            from rich.console import Console
            from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

            from dreamboot.terminal.columns import AmountColumn

            self._progress = Progress(
                TextColumn("  {task.description}"), BarColumn(), AmountColumn(), TimeRemainingColumn(),
                console=Console(stderr=True), transient=False,
            )  # fmt: skip
            self._progress.start()
        return self._progress


def amount(event: Event) -> str:
    """ "12.3 of 191.8 MB" for bytes, "120 of 400 steps" for the rest."""
    if event.unit == "bytes":
        done = (event.done or 0) / 1e6
        return f"{done:.1f} MB" if event.total is None else f"{done:.1f} of {event.total / 1e6:.1f} MB"
    return (
        f"{event.done or 0:g} {event.unit}"
        if event.total is None
        else f"{event.done or 0:g} of {event.total:g} {event.unit}"
    )
