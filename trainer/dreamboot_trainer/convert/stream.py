"""Passing the bytes of planned tensors into a file: copied by the kernel, or cast a few pieces ahead of the writing."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from functools import partial
from io import FileIO

from dreamboot_trainer.convert.numbers import Bytes, cast, transpose
from dreamboot_trainer.convert.planned import Piece, Planned

_CASTERS = 2
"""Threads that cast; numpy lets go of the interpreter meanwhile. Two keep up with the writing."""
_AHEAD = 8
"""Pieces of at most sources.CHUNK bytes that wait for the writing: with 1 MiB each, some 12 MiB."""

_Step = Callable[[FileIO], None]


def copy_all(tensors: Iterable[Planned], out: FileIO, moved: Callable[[int], None]) -> None:
    """Append the data of all tensors, in order. `moved` is told each tensor's bytes when they are written."""
    with ThreadPoolExecutor(_CASTERS) as casters:
        waiting: deque[_Step] = deque()
        for step in _steps(tensors, casters, moved):
            waiting.append(step)
            if len(waiting) > _AHEAD:
                waiting.popleft()(out)
        for step in waiting:
            step(out)


def write_all(out: FileIO, data: Bytes) -> None:
    """Append all of `data`; the system may take it in several parts."""
    view = memoryview(data).cast("B") if len(data) else memoryview(b"")
    while view:
        view = view[out.write(view) or 0 :]


def _steps(tensors: Iterable[Planned], casters: Executor, moved: Callable[[int], None]) -> Iterator[_Step]:
    """What is left to do with the file, in order. Casts are under way when their step is handed out.

    All reading is done here, in the caller's thread: the sources are not made for several.
    """
    for tensor in tensors:
        if tensor.constant:
            yield partial(write_all, data=tensor.constant)
        for piece in tensor.pieces:
            if piece.dtype == tensor.dtype and not tensor.transposed:
                yield partial(_copy, piece)
            elif tensor.transposed:
                data = b"".join(_read(piece))
                yield partial(_finish, casters.submit(_turned, data, piece.dtype, tensor))
            else:
                for chunk in _read(piece):
                    yield partial(_finish, casters.submit(cast, chunk, piece.dtype, tensor.dtype, tensor.name))
        yield partial(_tell, moved, tensor.nbytes)


def _finish(ready: Future[Bytes], out: FileIO) -> None:
    write_all(out, ready.result())


def _tell(moved: Callable[[int], None], count: int, _: FileIO) -> None:
    moved(count)


def _turned(data: bytes, dtype: str, tensor: Planned) -> Bytes:
    rows, columns = tensor.shape[::-1]
    return cast(transpose(data, dtype, rows, columns), dtype, tensor.dtype, tensor.name)


def _read(piece: Piece) -> Iterator[Bytes]:
    return piece.source.chunks(piece.name, piece.start, piece.length)


def _copy(piece: Piece, out: FileIO) -> None:
    if not _copy_by_kernel(piece, out):
        for chunk in _read(piece):
            write_all(out, chunk)


def _copy_by_kernel(piece: Piece, out: FileIO) -> bool:
    """Copy without passing the bytes through this process, where the system and the file system can.

    Returns False when nothing was copied and the caller has to do it.
    """
    place = piece.source.place(piece.name)
    if place is None or not hasattr(os, "copy_file_range"):
        return False
    file, offset, left = place[0], place[1] + piece.start, piece.length
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
