"""Ctrl-C and SIGTERM: noted when they come, honoured at the next place where nothing is half done."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from dreamboot_trainer.problems import Interrupted


class Interrupts:
    """`requested` becomes true at the first signal; a second Ctrl-C ends the program at once."""

    def __init__(self) -> None:
        self.requested = False

    def check(self, step: int) -> None:
        """Raise Interrupted if a signal has come."""
        if self.requested:
            raise Interrupted(step)

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Signals are noted inside. The signals' former handlers come back afterwards."""
        before = {number: signal.signal(number, self._note) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _note(self, number: int, _: FrameType | None) -> None:
        if self.requested and number == signal.SIGINT:
            raise KeyboardInterrupt
        self.requested = True
