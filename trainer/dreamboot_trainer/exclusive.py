"""One training per run folder: the next one waits until the last has saved its work."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from dreamboot_trainer.problems import Problem, TrainerError

# An interrupted run finishes its step and writes a checkpoint, which takes minutes for a large model on a slow disk.
WAIT_SECONDS = 300.0


@contextmanager
def only_trainer(run: Path) -> Iterator[None]:
    """Hold the run folder; the system frees it when the holder dies. TrainerError when another trainer keeps it."""
    if os.environ.get("RANK", "0") != "0":
        yield
        return
    import filelock

    run.mkdir(parents=True, exist_ok=True)
    lock = filelock.FileLock(str(run / "trainer.lock"))
    try:
        lock.acquire(timeout=WAIT_SECONDS)
    except filelock.Timeout:
        raise TrainerError(
            Problem(
                id="run-busy",
                what=f"Another trainer is working in {run}.",
                cause=f"It has held {lock.lock_file} for more than {WAIT_SECONDS:g} seconds.",
                hint="Wait until it has finished, or give this run another folder: --output_dir FOLDER",
            )
        ) from None
    try:
        yield
    finally:
        lock.release()
