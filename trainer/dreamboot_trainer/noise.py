"""Everything that is drawn at random, as a function of the seed and of which sample it is for.

No generator has a state that lives on: a draw is named by (seed, names...), so a resumed run, another batch size or
another number of processes draws the same for the same sample.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch


def seed_of(*names: int | str) -> int:
    """A 63-bit seed from the names (BLAKE2b; stable over versions and machines)."""
    text = "\x1f".join(str(name) for name in names)
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big") >> 1


def generator(*names: int | str) -> torch.Generator:
    """A fresh CPU generator for this draw."""
    import torch

    return torch.Generator().manual_seed(seed_of(*names))


def gaussian(shape: Sequence[int], *names: int | str) -> torch.Tensor:
    """Standard normal float32 values of this shape, drawn on the CPU whatever the device."""
    import torch

    return torch.randn(tuple(shape), generator=generator(*names))


def below(count: int, *names: int | str) -> int:
    """One of 0 .. count-1, each as likely."""
    return random.Random(seed_of(*names)).randrange(count)  # noqa: S311 - no secret


def coin(*names: int | str) -> bool:
    """Heads or tails."""
    return bool(seed_of(*names) & 1)


@lru_cache(maxsize=8)
def permutation(count: int, *names: int | str) -> tuple[int, ...]:
    """0 .. count-1 in an order of their own for these names."""
    order = list(range(count))
    random.Random(seed_of(*names)).shuffle(order)  # noqa: S311 - no secret
    return tuple(order)
