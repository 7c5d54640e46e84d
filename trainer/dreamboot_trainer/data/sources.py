"""Latents of photos: kept in memory, or encoded each time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from dreamboot_trainer import noise
from dreamboot_trainer.data.buckets import Size, nearest_bucket
from dreamboot_trainer.data.photos import digest_of, open_photo, stamp_of
from dreamboot_trainer.data.pixels import View, to_pixels, view
from dreamboot_trainer.problems import TrainerError, mismatch

if TYPE_CHECKING:
    from pathlib import Path

    import torch
    from PIL.Image import Image

    from dreamboot_trainer.data.items import Item

    Encode = Callable[[torch.Tensor], tuple[torch.Tensor, torch.Tensor]]
    _Pixels = tuple[View, torch.Tensor]

Names = tuple[int | str, ...]


@dataclass(slots=True)
class Encoded:
    """One view of one photo: mean and standard deviation of its latents [C, h, w] on the CPU, and its sizes."""

    mean: torch.Tensor
    std: torch.Tensor
    sizes: tuple[int, int, int, int, int, int]


class Source(Protocol):
    """`items[i]` as latents. `names` name the draw: crop, flip, and which of the VAE's possible latents."""

    items: Sequence[Item]

    def shapes(self) -> tuple[Size, ...]: ...
    def encoded(self, index: int, names: Names) -> Encoded: ...
    def expect(self, wanted: Sequence[tuple[int, Names]]) -> None: ...


class Cached:
    """Every photo was encoded once (and once mirrored, with hflip); only the VAE's own spread is drawn each time."""

    def __init__(self, items: Sequence[Item], views: Sequence[Sequence[Encoded]]) -> None:
        self.items = items
        self._views = views

    def shapes(self) -> tuple[Size, ...]:
        """Height and width of each item's picture."""
        return tuple(views[0].sizes[4:6] for views in self._views)

    def encoded(self, index: int, names: Names) -> Encoded:
        """The view that this draw falls on."""
        views = self._views[index]
        return views[noise.coin(*names, "flip")] if len(views) > 1 else views[0]

    def expect(self, _: Sequence[tuple[int, Names]]) -> None:
        """Nothing to prepare."""


class _Known:
    """A photo as it was when the run began: a run whose photos change could be repeated by nobody, nor go on."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._digest = digest_of(path)
        self._stamp = stamp_of(path)

    def require_same(self) -> None:
        """TrainerError when the file holds something else now. Only one with another date or size is read for it."""
        stamp = stamp_of(self._path)
        if stamp == self._stamp:
            return
        found = digest_of(self._path)
        # One that is gone is told by who opens it.
        if found and found != self._digest:
            raise TrainerError(
                mismatch(
                    "photo-changed",
                    f"The photo {self._path} was changed while the run trains with it.",
                    "the photo as it was at the start",
                    "another content",
                    "put the photo back and run the same command again, or train anew with it: --set resume=never",
                )
            )
        self._stamp = stamp


class Live:
    """Photos are read, cut and encoded each time they are used.

    With `workers`, threads read and cut what is expected next. What they make depends on the draw's names alone, so
    neither their number nor their order changes a result, and they have no state that a checkpoint would have to hold.
    """

    def __init__(
        self,
        items: Sequence[Item],
        encode: Encode,
        sizes: Sequence[Size],
        *,
        center: bool,
        hflip: bool,
        workers: int = 0,
    ) -> None:
        self.items = items
        self._known = [_Known(item.path) for item in items]
        self._encode, self._sizes = encode, sizes
        self._center, self._hflip = center, hflip
        self._pool = ThreadPoolExecutor(workers, thread_name_prefix="photos") if workers else None
        self._ahead: dict[Names, Future[_Pixels]] = {}

    def shapes(self) -> tuple[Size, ...]:
        """Height and width of each item's picture."""
        return tuple(nearest_bucket(open_photo(item.path).size, self._sizes) for item in self.items)

    def encoded(self, index: int, names: Names) -> Encoded:
        """The view of this draw."""
        waiting = self._ahead.pop(names, None)
        cut, pixels = waiting.result() if waiting else self._read(index, names)
        mean, std = self._encode(pixels[None])
        return Encoded(mean[0].float().cpu(), std[0].float().cpu(), cut.sizes())

    def expect(self, wanted: Sequence[tuple[int, Names]]) -> None:
        """These draws come next."""
        if self._pool is not None:
            for future in self._ahead.values():
                future.cancel()
            self._ahead = {names: self._pool.submit(self._read, index, names) for index, names in wanted}

    def _read(self, index: int, names: Names) -> _Pixels:
        self._known[index].require_same()
        image = open_photo(self.items[index].path)
        flip = self._hflip and noise.coin(*names, "flip")
        height, width = nearest_bucket(image.size, self._sizes)
        cut = view(image.size, height, width, center=self._center, flip=flip, names=names)
        return cut, to_pixels(image, cut)


def encode_views(item: Item, encode: Encode, sizes: Sequence[Size], *, hflip: bool) -> tuple[Encoded, ...]:
    """The photo's central crop in the most fitting of the sizes, and its mirror image with `hflip`."""
    image = open_photo(item.path)
    height, width = nearest_bucket(image.size, sizes)
    flips = (False, True) if hflip else (False,)
    cuts = (view(image.size, height, width, center=True, flip=flip, names=()) for flip in flips)
    return tuple(encode_view(image, cut, encode) for cut in cuts)


def encode_view(image: Image, cut: View, encode: Encode) -> Encoded:
    """One cut of one picture through the VAE."""
    mean, std = encode(to_pixels(image, cut)[None])
    return Encoded(mean[0].float().cpu(), std[0].float().cpu(), cut.sizes())
