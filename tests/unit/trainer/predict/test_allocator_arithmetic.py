"""The caching allocator's arithmetic, on traces whose answer can be counted by hand."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("torch")

from dreamboot_trainer.predict.allocator import MIB, Pools, reserved, rounded, segment_for
from dreamboot_trainer.predict.trace import Event


@pytest.mark.parametrize(
    ("size", "segment"),
    [
        (512, 2 * MIB),
        (MIB, 2 * MIB),
        (MIB + 512, 20 * MIB),
        (9 * MIB, 20 * MIB),
        (10 * MIB, 10 * MIB),
        (11 * MIB + 512, 12 * MIB),
    ],
)
def test_segments(size, segment):
    assert segment_for(size) == segment


def test_a_freed_block_serves_again():
    assert reserved([Event(1, 30 * MIB), Event(1, -30 * MIB), Event(2, 30 * MIB)]) == 30 * MIB


def test_a_larger_request_after_a_smaller_one_needs_a_segment_of_its_own():
    assert reserved([Event(1, 30 * MIB), Event(1, -30 * MIB), Event(2, 40 * MIB)]) == 70 * MIB


def test_neighbours_join_again():
    parts = [Event(0, 40 * MIB), Event(0, -40 * MIB), Event(1, 20 * MIB), Event(2, 20 * MIB)]
    assert reserved([*parts, Event(1, -20 * MIB), Event(2, -20 * MIB), Event(3, 40 * MIB)]) == 40 * MIB


def test_small_and_large_requests_share_nothing():
    assert reserved([Event(1, 512), Event(2, 2 * MIB)]) == 22 * MIB


@given(st.lists(st.tuples(st.integers(1, 60 * MIB), st.booleans()), max_size=120))
def test_what_is_held_fits_what_is_reserved_and_nothing_is_lost(requests):
    pools, held, live = Pools(), {}, 0
    for key, (size, free_one) in enumerate(requests):
        pools.allocate(key, size)
        held[key] = size
        if free_one:
            gone = next(iter(held))
            pools.release(gone)
            held.pop(gone)
        live = sum(rounded(size) for size in held.values())
        assert live <= pools.reserved
    for key in list(held):
        pools.release(key)
    free = sum(size for pool in pools._free.values() for size, _, _ in pool)
    assert free == pools.reserved
