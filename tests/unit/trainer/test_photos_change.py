"""Photos that change while a run reads them in every step."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

pytest.importorskip("torch")

from PIL import Image

from dreamboot_trainer.data.items import Item
from dreamboot_trainer.data.sources import Live
from dreamboot_trainer.problems import TrainerError


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    path = tmp_path / "rex.png"
    Image.new("RGB", (64, 64), "red").save(path)
    return path


@pytest.fixture
def live(photo: Path) -> Live:
    items = (Item(path=photo, prompt="a photo of sks dog"),)
    return Live(items, lambda pixels: (pixels, pixels), ((64, 64),), center=True, hflip=False)


def test_a_touched_photo_is_the_same(live, photo):
    before = live.encoded(0, (0,)).mean
    os.utime(photo, (1, 1))
    assert (live.encoded(0, (1,)).mean == before).all()


def test_another_picture_under_its_name_is_told(live, photo):
    live.encoded(0, (0,))
    Image.new("RGB", (64, 64), "blue").save(photo)
    os.utime(photo, (1, 1))
    with pytest.raises(TrainerError) as caught:
        live.encoded(0, (1,))
    assert caught.value.problem.id == "photo-changed"
    assert "rex.png" in caught.value.problem.what


def test_one_that_is_gone_is_told_as_gone(live, photo):
    photo.unlink()
    with pytest.raises(TrainerError) as caught:
        live.encoded(0, (0,))
    assert caught.value.problem.id == "photo-missing"
