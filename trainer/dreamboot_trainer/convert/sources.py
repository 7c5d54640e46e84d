"""Reading tensors piece by piece, from .safetensors without torch, and from .ckpt and .bin with it."""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any, BinaryIO, Protocol

from dreamboot_trainer.convert.faults import not_found, unreadable
from dreamboot_trainer.convert.numbers import SIZES, Bytes

CHUNK = 1 << 20
"""Bytes held at a time while a tensor is read and cast (1 MiB: stays in a core's own cache)."""


@dataclass(frozen=True)
class Info:
    """Format (safetensors name, such as F16) and shape of one tensor."""

    dtype: str
    shape: tuple[int, ...]

    @property
    def nbytes(self) -> int:
        """Size of the tensor's data in bytes."""
        return SIZES[self.dtype] * prod(self.shape)


class Source(Protocol):
    """One open file with named tensors."""

    path: Path
    tensors: Mapping[str, Info]
    metadata: Mapping[str, str]

    def chunks(self, name: str, start: int, length: int) -> Iterator[Bytes]:
        """Bytes [start, start + length) of a tensor's data, in pieces of at most CHUNK."""

    def place(self, name: str) -> tuple[BinaryIO, int] | None:
        """The open file and the offset of the tensor's first byte, where it lies as it is on disk; else None."""

    def close(self) -> None:
        """Give the file back. Nothing may be read after it."""


def open_source(path: Path) -> Source:
    """Open a model file by what it holds, not by its name's ending. TrainerError when it is none."""
    if not path.is_file():
        raise not_found(path)
    try:
        with path.open("rb") as file:
            start = file.read(10)
    except OSError as error:
        raise unreadable(path, error.strerror or str(error)) from error
    if start.startswith(b"version ht"):
        raise unreadable(path, "a Git LFS pointer, not the model (run: git lfs pull)")
    if start[8:9] == b"{":
        return SafetensorsFile(path)
    if path.suffix == ".safetensors":
        raise unreadable(path, "the file does not start with a safetensors header")
    from dreamboot_trainer.convert.pickled import PickledFile

    return PickledFile(path)


class SafetensorsFile:
    """A .safetensors file, checked by the safetensors library, read by byte ranges.

    The library hands out whole tensors only; ranges let a tensor larger than memory be cast in pieces, and let the
    kernel copy the bytes of a tensor that stays as it is.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            _check(path)
            self._file = path.open("rb", buffering=0)
        except OSError as error:
            raise unreadable(path, error.strerror or str(error)) from error
        (length,) = struct.unpack("<Q", self._file.read(8))
        header: dict[str, Any] = json.loads(self._file.read(length))
        self.metadata: Mapping[str, str] = header.pop("__metadata__", None) or {}
        for name, entry in header.items():
            if entry["dtype"] not in SIZES:
                raise unreadable(path, f"{name} has the number format {entry['dtype']}")
        self.tensors: Mapping[str, Info] = {n: Info(e["dtype"], tuple(e["shape"])) for n, e in header.items()}
        self._offsets = {name: 8 + length + entry["data_offsets"][0] for name, entry in header.items()}

    def chunks(self, name: str, start: int, length: int) -> Iterator[Bytes]:
        """See Source.chunks."""
        first = self._offsets[name] + start
        for offset in range(first, first + length, CHUNK):
            yield self._read(offset, min(CHUNK, first + length - offset))

    def _read(self, offset: int, length: int) -> bytes:
        """Exactly these bytes, wherever the file stands: readers of several tensors may take turns."""
        self._file.seek(offset)
        parts: list[bytes] = []
        while length > 0:
            part = self._file.read(length)
            if not part:
                raise unreadable(self.path, "it became shorter while it was read")
            parts.append(part)
            length -= len(part)
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def place(self, name: str) -> tuple[BinaryIO, int] | None:
        """See Source.place."""
        return self._file, self._offsets[name]

    def close(self) -> None:
        """See Source.close."""
        self._file.close()


def _check(path: Path) -> None:
    """TrainerError when the safetensors library refuses the file (truncated, overlapping, wrong sizes)."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="np"):
            pass
    except (SafetensorError, UnicodeDecodeError) as error:
        raise unreadable(path, str(error)) from error
