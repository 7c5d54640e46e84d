"""Writing so that a kill leaves either the old file, or the new one, and never a part."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from dreamboot_trainer import shell
from dreamboot_trainer.problems import TrainerError, mismatch

PARTIAL = ".partial"


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Hands out a path to write a file to; at the end it takes the name `path`. On an error it is removed.

    TrainerError when the disk is full or the place can't be written.
    """
    partial = path.with_name(path.name + PARTIAL)
    with _explained(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            yield partial
            sync(partial)
            partial.replace(path)
        except BaseException:
            partial.unlink(missing_ok=True)
            raise


@contextmanager
def replacing_folder(path: Path) -> Iterator[Path]:
    """The same for a folder: what was there under the name before is kept until the new one is whole."""
    partial = path.with_name(path.name + PARTIAL)
    with _explained(path):
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
        try:
            yield partial
            for item in partial.rglob("*"):
                if item.is_file():
                    sync(item)
        except BaseException:
            shutil.rmtree(partial, ignore_errors=True)
            raise
        if path.exists():
            old = path.with_name(path.name + ".old")
            shutil.rmtree(old, ignore_errors=True)
            path.rename(old)
            partial.rename(path)
            shutil.rmtree(old)
        else:
            partial.rename(path)


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise TrainerError(
            mismatch(
                "cannot-write",
                f"{path} could not be written; what was there before is kept.",
                "room and permission to write",
                error.strerror or error,
                shell.room(path.parent),
            )
        ) from error


def sync(path: Path) -> None:
    """Force a file to disk: after a power cut a new name must not stand for an empty file."""
    # Windows does it only to what is open for writing; elsewhere the copy of a read-only file has to do too.
    with path.open("rb+" if os.name == "nt" else "rb") as file:
        os.fsync(file.fileno())
