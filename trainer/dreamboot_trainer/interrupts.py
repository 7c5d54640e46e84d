"""Ctrl-C, SIGTERM, a closed terminal: noted when they come, honoured at the next place where nothing is half done."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from dreamboot_trainer.problems import Interrupted

# Set by a launcher that keeps our standard input open for as long as it lives.
STOP_ON_EOF = "DREAMBOOT_STOP_ON_STDIN_EOF"


def _signals() -> tuple[int, ...]:
    """SIGHUP comes when a terminal or an ssh session ends, unless nohup has it ignored; Windows has none."""
    hangup: int | None = getattr(signal, "SIGHUP", None)
    heard = hangup is not None and signal.getsignal(hangup) is not signal.SIG_IGN
    return (signal.SIGINT, signal.SIGTERM, hangup) if heard and hangup is not None else (signal.SIGINT, signal.SIGTERM)


class Interrupts:
    """`requested` becomes true at the first signal; a second Ctrl-C ends the program at once."""

    def __init__(self) -> None:
        self.requested = False
        self._signalled = False

    def check(self, step: int) -> None:
        """Raise Interrupted if a signal has come."""
        if self.requested:
            raise Interrupted(step)

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Signals are noted inside. The signals' former handlers come back afterwards."""
        if os.environ.get(STOP_ON_EOF):
            threading.Thread(target=self._wait_for_eof, daemon=True, name="launcher").start()
        before = {number: signal.signal(number, self._note) for number in _signals()}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _wait_for_eof(self) -> None:
        """The launcher closes our input to ask for a stop; the system closes it when the launcher dies."""
        while os.read(sys.stdin.fileno(), 4096):
            pass
        self.requested = True

    def _note(self, number: int, _: FrameType | None) -> None:
        # One Ctrl-C reaches a terminal's whole group: us, and the launcher, whose word may be here first.
        if self._signalled and number == signal.SIGINT:
            raise KeyboardInterrupt
        self.requested = self._signalled = True
