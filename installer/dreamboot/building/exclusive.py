"""One builder per environment at a time."""

from __future__ import annotations

import contextlib
import os

from dreamboot.building.layout import EnvironmentLayout
from dreamboot.model import DreambootError, Problem


class only_builder:  # noqa: N801 - reads as the phrase it is: `with only_builder(environment)`
    """Holds the environment's lock; the operating system frees it when a builder dies, so it can't go stale.

    Who holds it is written beside, for whoever comes second.
    """

    def __init__(self, environment: EnvironmentLayout, doing: str = "build") -> None:
        import filelock

        self._lock = filelock.FileLock(str(environment.lock), timeout=0)
        self._name = environment.name
        self._holder = environment.holder
        self._doing = doing

    def __enter__(self) -> None:
        import filelock

        try:
            self._lock.acquire()
        except filelock.Timeout as busy:
            raise DreambootError(
                Problem(
                    id="build-running",
                    what=f"Another dreamboot is changing the environment {self._name} right now.",
                    cause=f"{self._holding()} holds {self._lock.lock_file}.",
                    hint="Wait until it has finished, then run the same command again.",
                )
            ) from busy
        except (OSError, NotImplementedError) as error:
            raise DreambootError(
                Problem(
                    id="cannot-write",
                    what=f"The environment {self._name} can't be held for this change alone.",
                    cause=f"{self._lock.lock_file}: {getattr(error, 'strerror', None) or error}",
                    hint="Use another folder: --home FOLDER",
                )
            ) from error
        with contextlib.suppress(OSError):
            self._holder.write_text(f"{os.getpid()} {self._doing}", encoding="utf-8")

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(OSError):
            self._holder.unlink()
        self._lock.release()

    def _holding(self) -> str:
        """The process, and what it does there, as far as it can be known."""
        try:
            number, _, doing = self._holder.read_text(encoding="utf-8").partition(" ")
        except (OSError, ValueError):
            return "It"
        return f"Process {number} (dreamboot {doing})"
