"""How a photo is shown: mirrored or not, each about half of the times, and cut where the draw says."""

# ruff: noqa: E402 - the imports need torch, which not every environment has

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from dreamboot_trainer.data.items import Item
from dreamboot_trainer.data.photos import list_photos, open_photo
from dreamboot_trainer.data.pixels import to_pixels, view
from dreamboot_trainer.data.sources import Cached, Live, Source, encode_views

pytestmark = pytest.mark.trainer
SIZES = ((64, 64),)


def as_they_are(pixels: Any) -> Any:
    """An encoder that hands pixels on, so that a view can be looked at."""
    return pixels, torch.zeros_like(pixels)


def items_of(photos: Path) -> list[Item]:
    return [Item(path=path, prompt="") for path in list_photos(photos).photos]


def source(kind: str, items: list[Item], *, hflip: bool) -> Source:
    if kind == "live":
        return Live(items, as_they_are, SIZES, center=True, hflip=hflip)
    return Cached(items, [encode_views(item, as_they_are, SIZES, hflip=hflip) for item in items])


def plain(item: Item) -> Any:
    image = open_photo(item.path)
    return to_pixels(image, view(image.size, 64, 64, center=True, flip=False, names=()))


@pytest.mark.parametrize("kind", ["cached", "live"])
def test_each_photo_is_mirrored_left_to_right_about_half_of_the_times(photos: Path, kind: str) -> None:
    items = items_of(photos)
    flipping = source(kind, items, hflip=True)
    for index, item in enumerate(items):
        straight, draws = plain(item), 160
        mirrored = straight.flip(-1)
        assert not torch.equal(straight, mirrored)
        found = [flipping.encoded(index, (0, "instance", place)).mean for place in range(draws)]
        turned = sum(torch.equal(each, mirrored) for each in found)
        assert turned + sum(torch.equal(each, straight) for each in found) == draws
        assert 0.35 * draws < turned < 0.65 * draws


@pytest.mark.parametrize("kind", ["cached", "live"])
def test_without_hflip_none_is_mirrored(photos: Path, kind: str) -> None:
    items = items_of(photos)
    straight = source(kind, items, hflip=False)
    assert all(torch.equal(straight.encoded(0, (0, "instance", place)).mean, plain(items[0])) for place in range(20))


def test_a_crop_that_is_not_central_falls_everywhere_and_is_what_sdxl_is_told() -> None:
    """A photo whose columns are numbered: the first pixel says where the crop begins."""
    from PIL import Image

    image = Image.new("RGB", (72, 64))
    image.putdata([(column, 0, 0) for _ in range(64) for column in range(72)])
    lefts = set()
    for place in range(200):
        cut = view(image.size, 64, 64, center=False, flip=False, names=(0, "instance", place))
        left = round(float((to_pixels(image, cut)[0, 0, 0] + 1) * 127.5))
        assert cut.sizes() == (64, 72, 0, left, 64, 64)
        lefts.add(left)
    assert lefts == set(range(9))


@pytest.mark.parametrize("setting", ["center", "random"])
def test_a_live_photo_is_cut_as_center_crop_says(tmp_path: Path, setting: str) -> None:
    from PIL import Image

    Image.effect_noise((96, 64), 80).convert("RGB").save(tmp_path / "a.png")
    live = Live(items_of(tmp_path), as_they_are, SIZES, center=setting == "center", hflip=False)
    found = {live.encoded(0, (0, "instance", place)).mean.numpy().tobytes() for place in range(20)}
    assert len(found) == 1 if setting == "center" else len(found) > 5
