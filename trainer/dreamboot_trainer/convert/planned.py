"""One tensor to be written, and the ranges of bytes that it is made of."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

from dreamboot_trainer.convert.numbers import SIZES
from dreamboot_trainer.convert.sources import Source


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
