"""The unit of every key mapping: one tensor's name, shape and layout in both formats."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum


class Layout(Enum):
    """How the bytes of the two sides relate. All but TRANSPOSED keep the bytes and their order."""

    SAME = "same"
    CONV1X1 = "conv1x1"
    """The original has a 1x1 convolution [out, in, 1, 1], diffusers a linear layer [out, in]."""
    STACKED = "stacked"
    """The original has one tensor; diffusers has several that joined along dimension 0 give it."""
    TRANSPOSED = "transposed"
    """The original has [in, out], diffusers [out, in]."""


@dataclass(frozen=True)
class Pair:
    """One original tensor and the diffusers tensor or tensors with the same content.

    `shape` is the shape of each single diffusers tensor.
    """

    original: str
    diffusers: tuple[str, ...]
    shape: tuple[int, ...]
    layout: Layout = Layout.SAME

    @property
    def original_shape(self) -> tuple[int, ...]:
        """The shape of the original tensor."""
        if self.layout is Layout.CONV1X1:
            return (*self.shape, 1, 1)
        if self.layout is Layout.STACKED:
            return (self.shape[0] * len(self.diffusers), *self.shape[1:])
        if self.layout is Layout.TRANSPOSED:
            return self.shape[::-1]
        return self.shape

    def under(self, prefix: str) -> Pair:
        """The same pair with `prefix` before the original name."""
        return replace(self, original=prefix + self.original)


def same(original: str, diffusers: str, *shape: int) -> Pair:
    """A tensor that is alike on both sides but for its name."""
    return Pair(original, (diffusers,), shape)


def affine(original: str, diffusers: str, *weight: int) -> tuple[Pair, Pair]:
    """The `weight` and the 1-D `bias` (length = first weight dimension) of one layer."""
    return same(f"{original}.weight", f"{diffusers}.weight", *weight), same(
        f"{original}.bias", f"{diffusers}.bias", weight[0]
    )


def same_shape(left: tuple[int, ...], right: tuple[int, ...]) -> bool:
    """Whether two shapes differ at most by dimensions of size 1 at the end (the same bytes).

    Files in the wild hold attention biases as [512, 1, 1] (huggingface/diffusers issue 6226) and VAE attention weights
    with and without the two 1x1 convolution dimensions (issue 8320). Reading accepts them; writing puts them right.
    """
    return _without_trailing_ones(left) == _without_trailing_ones(right)


def _without_trailing_ones(shape: tuple[int, ...]) -> tuple[int, ...]:
    end = len(shape)
    while end > 1 and shape[end - 1] == 1:
        end -= 1
    return shape[:end]
