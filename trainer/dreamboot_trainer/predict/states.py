"""What an optimizer keeps on the device beside each trained weight, and what it needs while it changes them."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

Shape = Sequence[int]

MIN_8BIT = 4096
"""Below so many weights bitsandbytes keeps a tensor's states in fp32 (`min_8bit_size`, bitsandbytes 0.50)."""
MIN_PAGED = 100_000
"""Below so many weights a paged optimizer's states are ordinary ones (`get_state_buffer`, bitsandbytes 0.50)."""
BLOCK = 256
"""Weights that share one fp32 scale in 8-bit states (blockwise quantization, bitsandbytes 0.50)."""

_BITSANDBYTES: Mapping[str, tuple[int, bool, bool]] = {
    "adamw8bit": (2, True, False), "paged_adamw": (2, False, True), "paged_adamw8bit": (2, True, True),
    "ademamix8bit": (3, True, False), "lion": (1, False, False), "lion8bit": (1, True, False),
    "paged_lion8bit": (1, True, True),
}  # fmt: skip
"""Moments, whether of 8 bits, whether paged. Paged moments live in the host's memory, their scales do not."""


@dataclass(frozen=True, slots=True)
class Weight:
    """One trained weight. `zero`: it starts as zeros."""

    shape: tuple[int, ...]
    zero: bool


def sizes(shape: Shape, optimizer: str, *, implementation: str = "auto", zero: bool = False) -> tuple[int, ...]:
    """Bytes of each tensor on the device for one weight of this shape, fp32 states where the optimizer has no other.

    `zero`: the weight starts as zeros, of which Prodigy keeps no copy. SGD is taken with its momentum, the default.
    """
    count = math.prod(shape)
    if optimizer in _BITSANDBYTES:
        return _bitsandbytes(count, *_BITSANDBYTES[optimizer])
    return _OTHERS[optimizer](shape, count, implementation, zero)


def workspace(shapes: Sequence[Shape], optimizer: str, implementation: str = "auto") -> int:
    """Bytes of temporary tensors while the weights are changed.

    torch's AdamW makes the root of all second moments at once ("foreach"), or two tensors of one weight's size after
    another ("loop"); its fused kernel none, as bitsandbytes' kernels. Adafactor has two tensors of one weight's size,
    Prodigy one (transformers 5, prodigyopt 1.1).
    """
    counts = [math.prod(shape) for shape in shapes]
    largest = 4 * max(counts, default=0)
    if optimizer == "adamw" and implementation == "foreach":
        return 4 * sum(counts)
    times = {"adamw": 2 * (implementation == "loop"), "adafactor": 2, "prodigy": 1}
    return times.get(optimizer, 0) * largest


def _bitsandbytes(count: int, moments: int, eight: bool, paged: bool) -> tuple[int, ...]:
    small = eight and count < MIN_8BIT
    width = 1 if eight and not small else 4
    away = paged and count >= MIN_PAGED
    states = () if away else (width * count,) * moments
    scales = (4 * -(-count // BLOCK),) * moments if eight and not small else ()
    return (*states, *scales)


def _adamw(_: Shape, count: int, implementation: str, __: bool) -> tuple[int, ...]:
    # The fused kernel counts its steps on the device.
    counter = (4,) if implementation in ("auto", "fused") else ()
    return (4 * count, 4 * count, *counter)


def _adafactor(shape: Shape, count: int, _: str, __: bool) -> tuple[int, ...]:
    # By row and column of the last two dimensions: for the kernels of a convolution that is much of the weight.
    size = 4  # its root mean square, one number
    if len(shape) < 2:
        return (4 * count, size)
    return (4 * (count // shape[-1]), 4 * (count // shape[-2]), size)


def _prodigy(_: Shape, count: int, __: str, zero: bool) -> tuple[int, ...]:
    return (4 * count, 4 if zero else 4 * count, 4 * count, 4 * count)


def _sgd(_: Shape, count: int, __: str, ___: bool) -> tuple[int, ...]:
    return (4 * count,)


_OTHERS: Mapping[str, Callable[[Shape, int, str, bool], tuple[int, ...]]] = {
    "adamw": _adamw,
    "adafactor": _adafactor,
    "prodigy": _prodigy,
    "sgd": _sgd,
}
