"""Is there room? Asked for every path that a build writes to, before the first byte."""

from __future__ import annotations

import errno
import tempfile
from pathlib import Path
from typing import Dict, List, Sequence, Tuple

from dreamboot.building.layout import Layout
from dreamboot.host import Host
from dreamboot.model import DreambootError, Problem
from dreamboot.values import value

# Unpacked size over wheel size. Measured on 2026-11-23: the CPU stack of 307 MB unpacks to 1.8 GB (5.9). NVIDIA's
# libraries are compressed code that unpacks to about twice its size (torch 2.14's 2.4 GB of them to 4.6 GB).
UNPACKED = 6.0
UNPACKED_NVIDIA = 2.0
# What pip, uv and the file system itself need on top.
SPARE_BYTES = 200 * 1024 * 1024


# For programs' temporary files while a build runs: uv's interpreter probes, compiled modules, the training step.
TEMPORARY_BYTES = 32 * 1024 * 1024


@value
class Need:
    """So many bytes will be written below `path`, for `purpose`. `spare`: whether more is to be left free there."""

    path: Path
    purpose: str
    bytes: int
    spare: bool = True


def unpacked_bytes(name: str, wheel_bytes: int) -> int:
    """What a wheel of distribution `name` takes once it is installed."""
    return int(wheel_bytes * (UNPACKED_NVIDIA if name.startswith(("nvidia-", "cuda-")) else UNPACKED))


def require_space(host: Host, needs: Sequence[Need]) -> None:
    """Raises `DreambootError` naming the disk, what is free and what is needed. Paths on one disk are added up."""
    disks: Dict[int, List[Need]] = {}
    for need in needs:
        disks.setdefault(host.device_of(need.path), []).append(need)
    for members in disks.values():
        room = host.disk_free(members[0].path)
        if room is None:
            continue
        free = room[0]
        wanted = sum(need.bytes for need in members)
        spare = SPARE_BYTES if any(need.spare for need in members) else 0
        if any(need.bytes for need in members) and wanted + spare > free:
            purposes = ", ".join(f"{need.purpose} {need.bytes / 1e9:.2g} GB" for need in members if need.bytes)
            raise DreambootError(
                Problem(
                    id="disk-space",
                    what=f"Not enough room on the disk that holds {members[0].path}.",
                    cause=f"{free / 1e9:.1f} GB are free; needed: {purposes}, and {spare / 1e9:.1f} GB to spare.",
                    hint="Make room (dreamboot env gc removes old generations), or use another disk: --home FOLDER",
                )
            )


def needs(host: Host, layout: Layout, environment: Path, fetched: int, unpacked: int) -> Tuple[Need, ...]:
    """What a build writes where: downloads, uv's unpacked wheels, the environment, temporary files.

    The environment is hard links to the unpacked wheels; only where it lies on another disk is everything copied.
    """
    one_disk = host.device_of(layout.uv_cache) == host.device_of(environment)
    return (
        Need(path=layout.wheels, purpose="downloads", bytes=fetched),
        Need(path=layout.uv_cache, purpose="unpacked packages", bytes=0 if one_disk else unpacked),
        Need(path=environment, purpose="the environment", bytes=unpacked),
        Need(path=Path(tempfile.gettempdir()), purpose="temporary files", bytes=TEMPORARY_BYTES, spare=False),
    )


def says_full(text: str) -> bool:
    """Whether a program's words mean that the disk is full (ENOSPC on POSIX, ERROR_DISK_FULL on Windows)."""
    return any(
        words in text for words in ("No space left", "os error 28)", "os error 112)", "not enough space on the disk",
                       "os error 122)", "Disk quota exceeded")
    )  # fmt: skip


def full_disk(said: str) -> Problem:
    """The Problem of a disk that filled up while a program wrote to it."""
    return Problem(
        id="disk-full",
        what="The disk is full.",
        cause=said[-600:],
        hint="Make room (dreamboot env gc removes old generations), or use another disk: --home FOLDER",
    )


def require_writable(host: Host, path: Path) -> None:
    """Raises `DreambootError` when nothing can be made below `path`."""
    if not host.writable(path):
        raise DreambootError(
            Problem(
                id="cannot-write",
                what=f"Nothing can be written to {path}.",
                cause="The folder is read-only, or belongs to another user.",
                hint="Use another folder: --home FOLDER",
            )
        )


FULL = (errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC))
ERROR_DISK_FULL = 112


def is_full(error: OSError) -> bool:
    """Whether the disk, or the user's share of it, is full."""
    return error.errno in FULL or getattr(error, "winerror", 0) == ERROR_DISK_FULL
