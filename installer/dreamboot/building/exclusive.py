"""One builder per environment at a time."""

from __future__ import annotations

from dreamboot.building.layout import EnvironmentLayout
from dreamboot.model import DreambootError, Problem


class only_builder:  # noqa: N801 - reads as the phrase it is: `with only_builder(environment)`
    """Holds the environment's lock; the operating system frees it when a builder dies, so it can't go stale."""

    def __init__(self, environment: EnvironmentLayout) -> None:
        import filelock

        self._lock = filelock.FileLock(str(environment.lock), timeout=0)
        self._name = environment.name

    def __enter__(self) -> None:
        import filelock

        try:
            self._lock.acquire()
        except filelock.Timeout as busy:
            raise DreambootError(
                Problem(
                    id="build-running",
                    what=f"Another dreamboot is building the environment {self._name} right now.",
                    cause=f"It holds {self._lock.lock_file}.",
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

    def __exit__(self, *_: object) -> None:
        self._lock.release()
