"""Events as they happen: a live bar on a terminal, one line per stage and quarter elsewhere."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Dict, List, Mapping, Optional, Sequence

from dreamboot.model import Event, EventKind

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

# A wheel's name fits beside its bar in 80 columns.
NAME_WIDTH = 30
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
        files: Mapping[str, Sequence[int]] = event.data.get("files", {})
        # Files have rows of their own; the row of the whole then needs no file's name.
        text = event.stage if files else event.message or event.stage
        self._row(progress, event.stage, text, event.done or 0, event.total, event.unit)
        for name, (arrived, size) in files.items():
            self._row(progress, f"{event.stage}/{name}", f"  {shortened(name)}", arrived, size or None, event.unit)
        for key in [key for key in self._tasks if key.startswith(f"{event.stage}/")]:
            if key.partition("/")[2] not in files:
                progress.remove_task(self._tasks.pop(key))

    def _row(self, progress: Progress, key: str, text: str, done: float, total: Optional[float], unit: str) -> None:
        if key not in self._tasks:
            self._tasks[key] = progress.add_task(text, total=total, unit=unit)
        progress.update(self._tasks[key], completed=done, total=total, description=text)

    def _advance_plain(self, event: Event) -> None:
        now = time.monotonic()
        last = self._said.get(event.stage)
        complete = event.total is not None and event.done == event.total
        if last is not None and now - last < PLAIN_EVERY and not complete:
            return
        self._said[event.stage] = now
        told = [amount(event), *pace(event)]
        self._print(f"  {', '.join(told)} {event.message}".rstrip())

    def _end_task(self, stage: str) -> None:
        for key in [key for key in self._tasks if key.partition("/")[0] == stage]:
            task = self._tasks.pop(key)
            if self._progress is not None:
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


def pace(event: Event) -> List[str]:
    """["11.2 MB/s", "44 s left"], as far as the event tells them."""
    rate, left = event.data.get("bytes_per_second"), event.data.get("seconds_left")
    told = [] if not rate else [f"{rate / 1e6:.1f} MB/s"]
    if left is not None and event.done != event.total:
        told.append(f"{left:.0f} s left" if left < 100 else f"{left / 60:.0f} min left")
    return told


def shortened(name: str) -> str:
    """The beginning of a file's name: package and version stand there."""
    return name if len(name) <= NAME_WIDTH else name[: NAME_WIDTH - 3] + "..."
