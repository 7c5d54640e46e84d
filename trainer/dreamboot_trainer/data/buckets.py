"""Aspect-ratio buckets: photos keep nearly all of their picture, at about the same number of pixels each."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from dreamboot_trainer.noise import permutation

_WIDEST = 2.0
"""Longest side over shortest side of a bucket."""
_STEPS = 8
"""Sides are multiples of resolution / 8 (64 at 512 pixels, as NovelAI's description of buckets has it)."""

Size = tuple[int, int]


@lru_cache(maxsize=16)
def bucket_sizes(resolution: int, multiple: int) -> tuple[Size, ...]:
    """(height, width) of every bucket: no more pixels than a square of `resolution`, sides divisible by `multiple`."""
    step = max(multiple, resolution // _STEPS // multiple * multiple)
    found = {(resolution, resolution)}
    for width in range(step, int(resolution * _WIDEST) + 1, step):
        height = resolution * resolution // width // step * step
        if height and max(width, height) / min(width, height) <= _WIDEST:
            found |= {(height, width), (width, height)}
    return tuple(sorted(found))


def nearest_bucket(photo: Size, sizes: Sequence[Size]) -> Size:
    """The bucket whose shape is most like that of a photo of (width, height) pixels; of equals the larger."""
    shape = math.log(photo[0] / photo[1])
    return min(sizes, key=lambda size: (abs(math.log(size[1] / size[0]) - shape), -size[0] * size[1]))


@dataclass(frozen=True, kw_only=True, slots=True)
class BucketOrder:
    """An endless shuffled order in which every `batch` places in a row hold photos of one bucket.

    `groups`: the photos (by number) of each bucket. A bucket's last batch is filled up from its beginning, so that an
    epoch shows every photo at least once.
    """

    seed: int
    stream: str
    groups: tuple[tuple[int, ...], ...]
    batch: int

    def at(self, place: int) -> int:
        """The photo at this place (0, 1, 2 ...)."""
        epoch, position = divmod(place, self._length())
        return _epoch(self, epoch)[position]

    def _length(self) -> int:
        return sum(math.ceil(len(group) / self.batch) * self.batch for group in self.groups)


@lru_cache(maxsize=8)
def _epoch(order: BucketOrder, epoch: int) -> tuple[int, ...]:
    batches: list[tuple[int, ...]] = []
    for number, group in enumerate(order.groups):
        shuffled = permutation(len(group), order.seed, "bucket", order.stream, number, epoch)
        for first in range(0, len(group), order.batch):
            places = (shuffled[(first + offset) % len(group)] for offset in range(order.batch))
            batches.append(tuple(group[place] for place in places))
    arrangement = permutation(len(batches), order.seed, "batches", order.stream, epoch)
    return tuple(photo for number in arrangement for photo in batches[number])
