"""Writing a .safetensors file tensor by tensor.

The safetensors library writes from tensors that are all in memory at once. This writer needs the names, formats and
shapes beforehand (they make the header) and then passes the data through in pieces, so that a file of any size takes
a few MiB of memory. The format: an 8-byte little-endian header length, the header as JSON, the data without holes
(github.com/huggingface/safetensors, README, "Format").
"""

from __future__ import annotations

import json
import os
import struct
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from io import FileIO
from math import prod
from pathlib import Path

from dreamboot_trainer.convert.numbers import SIZES, Bytes, cast, transpose
from dreamboot_trainer.convert.sources import Info, Source

_ALIGNMENT = 8


@dataclass(frozen=True)
class Piece:
    """A range of bytes of one source tensor."""

    source: Source
    name: str
    start: int
    length: int

    @property
    def dtype(self) -> str:
        """The format of the source tensor."""
        return self.source.tensors[self.name].dtype


@dataclass(frozen=True)
class Planned:
    """One tensor to write: where its bytes come from. `pieces` are joined in order; or `constant` is the content.

    `transposed`: the single piece holds the matrix of `shape` with rows and columns exchanged.
    """

    name: str
    dtype: str
    shape: tuple[int, ...]
    pieces: tuple[Piece, ...] = ()
    constant: bytes = b""
    transposed: bool = False

    @property
    def nbytes(self) -> int:
        """Size of the tensor's data in the file to be written."""
        return SIZES[self.dtype] * prod(self.shape)


def whole(source: Source, name: str) -> Piece:
    """All bytes of a tensor."""
    return Piece(source, name, 0, source.tensors[name].nbytes)


def part(source: Source, name: str, index: int, count: int) -> Piece:
    """The `index`-th of `count` equal ranges along dimension 0."""
    length = source.tensors[name].nbytes // count
    return Piece(source, name, index * length, length)


def total_bytes(planned: Sequence[Planned], metadata: Mapping[str, str]) -> int:
    """Size of the whole file in bytes."""
    return len(_header(_ordered(planned), metadata)) + sum(tensor.nbytes for tensor in planned)


def write(path: Path, planned: Sequence[Planned], metadata: Mapping[str, str], moved: Callable[[int], None]) -> int:
    """Write the file and force it to disk; return its size in bytes. `moved` is told the bytes of each tensor.

    The same input always gives the same bytes. Raises OSError as the system does, TrainerError for values that don't
    fit the wanted format.
    """
    tensors = _ordered(planned)
    header = _header(tensors, metadata)
    with path.open("wb", buffering=0) as out:
        _write_all(out, header)
        for tensor in tensors:
            for piece in tensor.pieces:
                _copy(piece, tensor, out)
            _write_all(out, tensor.constant)
            moved(tensor.nbytes)
        os.fsync(out.fileno())
    return len(header) + sum(tensor.nbytes for tensor in tensors)


def _ordered(planned: Sequence[Planned]) -> list[Planned]:
    """Wide formats first, as the library does: every tensor is then aligned to its element size."""
    return sorted(planned, key=lambda tensor: (-SIZES[tensor.dtype], tensor.name))


def _header(tensors: Sequence[Planned], metadata: Mapping[str, str]) -> bytes:
    entries: dict[str, object] = {"__metadata__": dict(metadata)} if metadata else {}
    offset = 0
    for tensor in tensors:
        end = offset + tensor.nbytes
        entries[tensor.name] = {"dtype": tensor.dtype, "shape": list(tensor.shape), "data_offsets": [offset, end]}
        offset = end
    text = json.dumps(entries, separators=(",", ":")).encode()
    text += b" " * (-len(text) % _ALIGNMENT)
    return struct.pack("<Q", len(text)) + text


def _copy(piece: Piece, tensor: Planned, out: FileIO) -> None:
    if tensor.transposed:
        rows, columns = tensor.shape[::-1]
        data = b"".join(bytes(chunk) for chunk in _read(piece))
        _write_all(out, cast(transpose(data, piece.dtype, rows, columns), piece.dtype, tensor.dtype, tensor.name))
        return
    if piece.dtype == tensor.dtype and _copy_by_kernel(piece, out):
        return
    for chunk in _read(piece):
        _write_all(out, cast(chunk, piece.dtype, tensor.dtype, tensor.name))


def _read(piece: Piece) -> Iterator[Bytes]:
    return piece.source.chunks(piece.name, piece.start, piece.length)


def _copy_by_kernel(piece: Piece, out: FileIO) -> bool:
    """Copy without passing the bytes through this process, where the system and the file system can.

    Returns False when nothing was copied and the caller has to do it.
    """
    place = piece.source.place(piece.name)
    if place is None or not hasattr(os, "copy_file_range"):
        return False
    file, offset = place[0], place[1] + piece.start
    left = piece.length
    while left > 0:
        try:
            count = os.copy_file_range(file.fileno(), out.fileno(), left, offset)
        except OSError:
            if left == piece.length:
                return False
            raise
        if count == 0:
            if left == piece.length:
                return False
            raise OSError(f"the copy of {piece.name} stopped {left} bytes before its end")
        left, offset = left - count, offset + count
    return True


def _write_all(out: FileIO, data: Bytes) -> None:
    view = memoryview(data).cast("B") if len(data) else memoryview(b"")
    while view:
        view = view[out.write(view) or 0 :]


def infos(planned: Sequence[Planned]) -> dict[str, Info]:
    """What will be in the file: name -> format and shape."""
    return {tensor.name: Info(tensor.dtype, tensor.shape) for tensor in planned}
