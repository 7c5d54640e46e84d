"""Results appear whole or not at all: written beside their place, then renamed into it."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from dreamboot_trainer.convert.faults import exists, no_space, not_replaced, not_written, would_replace_source
from dreamboot_trainer.files import sync

PARTIAL = ".partial"
_FULL = (errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC))
_ROOM = 1 << 20
"""Bytes to spare for directories and small files beside the data."""


@contextmanager
def new_file(out: Path, size: int, *, overwrite: bool) -> Iterator[Path]:
    """A path to write `size` bytes to; it becomes `out` at the end, and vanishes when the body fails."""
    partial = _beside(out)
    with _replacing(out, partial, size, overwrite=overwrite):
        yield partial
        sync(partial)
        partial.replace(out)


@contextmanager
def new_folder(out: Path, size: int, *, overwrite: bool) -> Iterator[Path]:
    """An empty folder to fill with `size` bytes; it becomes `out` at the end, and vanishes when the body fails.

    An older `out` is replaced only if it is empty or a diffusers model: a mistyped name must not cost other files. It
    is set aside until the new one is in place; a kill between the two renames is put right by the next call.
    """
    partial, old = _beside(out), out.with_name(out.name + PARTIAL + ".old")
    if old.is_dir() and not out.exists():
        old.rename(out)
    if overwrite and out.exists() and not _replaceable(out):
        raise not_replaced(out)
    with _replacing(out, partial, size, overwrite=overwrite):
        partial.mkdir()
        yield partial
        for item in partial.rglob("*"):
            if item.is_file():
                sync(item)
        if out.exists():
            remove(old)
            out.rename(old)
        partial.rename(out)
        remove(old)


def keep_source(source: Path, out: Path) -> None:
    """TrainerError when replacing `out` would replace `source` or the folder that it is in."""
    place, target = source.resolve(), out.resolve()
    if place == target or (target.is_dir() and target in place.parents):
        raise would_replace_source(source, out)


def _replaceable(out: Path) -> bool:
    return out.is_dir() and ((out / "model_index.json").is_file() or not any(out.iterdir()))


def remove(path: Path) -> None:
    """Delete a file or a whole folder; nothing happens when it is not there. Links are not followed."""
    if path.is_symlink() or path.is_file():
        path.unlink()
    elif path.is_dir():
        for child in path.iterdir():
            remove(child)
        path.rmdir()


def _beside(out: Path) -> Path:
    return out.with_name(out.name + PARTIAL)


@contextmanager
def _replacing(out: Path, partial: Path, size: int, *, overwrite: bool) -> Iterator[None]:
    """Check the place first, clear what a killed run left, turn the system's refusals into Problems."""
    if os.path.lexists(out) and not overwrite:
        raise exists(out)
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        remove(partial)
        check_space(out, size)
        yield
    except OSError as error:
        if error.errno in _FULL:
            raise no_space(out, size, _free(out)) from error
        raise not_written(out, error.strerror or str(error)) from error
    finally:
        _remove_quietly(partial)


def check_space(out: Path, size: int) -> None:
    """TrainerError when the disk of `out` (its parent folder must exist) lacks room for `size` bytes and a little."""
    free = _free(out)
    if free < size + _ROOM:
        raise no_space(out, size + _ROOM, free)


def _free(out: Path) -> int:
    import psutil

    return int(psutil.disk_usage(str(out.parent)).free)


def _remove_quietly(path: Path) -> None:
    try:
        remove(path)
    except OSError:
        return  # the reason that brought us here is the one to tell
