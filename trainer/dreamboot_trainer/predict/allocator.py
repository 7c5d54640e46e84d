"""PyTorch's caching CUDA allocator as arithmetic: what it reserves for a trace, beside what the tensors hold.

The rules and sizes are those of `c10/cuda/CUDACachingAllocator.cpp` (PyTorch 1.12 to 2.15): requests are rounded to
512 bytes; up to 1 MiB they come from segments of 2 MiB; up to 10 MiB from segments of 20 MiB; above that from a segment
of their own size rounded to 2 MiB. The smallest free block that fits is taken, and split where enough remains.
"""

from __future__ import annotations

import bisect
from collections.abc import Iterable
from dataclasses import dataclass, field

from dreamboot_trainer.predict.trace import Event

MIB = 1024 * 1024
ROUNDING = 512
SMALL, SMALL_SEGMENT = 1 * MIB, 2 * MIB
LARGE_SEGMENT, OWN_SEGMENT, OWN_ROUNDING = 20 * MIB, 10 * MIB, 2 * MIB


def rounded(size: int) -> int:
    """Bytes that a request really takes."""
    return max(ROUNDING, -(-size // ROUNDING) * ROUNDING)


def segment_for(size: int) -> int:
    """Bytes that are asked of the driver where no free block fits a rounded request."""
    if size <= SMALL:
        return SMALL_SEGMENT
    if size < OWN_SEGMENT:
        return LARGE_SEGMENT
    return -(-size // OWN_ROUNDING) * OWN_ROUNDING


@dataclass(slots=True, eq=False)
class _Block:
    size: int
    small: bool
    address: int
    free: bool = True
    before: _Block | None = None
    after: _Block | None = None


@dataclass(slots=True)
class Pools:
    """The allocator's state: its free blocks by size, and what it got from the driver."""

    reserved: int = 0
    _free: dict[bool, list[tuple[int, int, _Block]]] = field(default_factory=lambda: {True: [], False: []})
    _held: dict[int, _Block] = field(default_factory=dict)

    def allocate(self, key: int, size: int) -> None:
        """Give a request of `size` bytes its block."""
        size = rounded(size)
        small = size <= SMALL
        block = self._take(size, small)
        if block is None:
            # The driver's addresses are taken to rise: of blocks of one size the lowest is taken.
            block = _Block(segment_for(size), small, self.reserved)
            self.reserved += block.size
        self._split(block, size)
        block.free = False
        self._held[key] = block

    def release(self, key: int) -> None:
        """Take a block back, and join it with free neighbours."""
        block = self._held.pop(key)
        block.free = True
        for other in (block.before, block.after):
            if other is not None and other.free:
                self._forget(other)
                block.size += other.size
                if other is block.before:
                    block.address = other.address
                    block.before = other.before
                    if block.before is not None:
                        block.before.after = block
                else:
                    block.after = other.after
                    if block.after is not None:
                        block.after.before = block
        self._offer(block)

    def _take(self, size: int, small: bool) -> _Block | None:
        pool = self._free[small]
        place = bisect.bisect_left(pool, (size, -1))
        return pool.pop(place)[2] if place < len(pool) else None

    def _split(self, block: _Block, size: int) -> None:
        rest = block.size - size
        # A small block is split where anything is left of it, a large one where more than 1 MiB is.
        if rest < ROUNDING or (not block.small and rest <= SMALL):
            return
        remaining = _Block(rest, block.small, block.address + size, before=block, after=block.after)
        if block.after is not None:
            block.after.before = remaining
        block.after, block.size = remaining, size
        self._offer(remaining)

    def _offer(self, block: _Block) -> None:
        bisect.insort(self._free[block.small], (block.size, block.address, block), key=lambda item: item[:2])

    def _forget(self, block: _Block) -> None:
        pool = self._free[block.small]
        del pool[bisect.bisect_left(pool, (block.size, block.address), key=lambda item: item[:2])]


def reserved(events: Iterable[Event]) -> int:
    """The most bytes that the allocator holds of the driver over a trace."""
    pools = Pools()
    for event in events:
        if event.size > 0:
            pools.allocate(event.key, event.size)
        elif event.size < 0:
            pools.release(event.key)
    return pools.reserved
