"""Pictures inside the page, as small as they still look right."""

from __future__ import annotations

import base64
import io
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from dreamboot_trainer.data.photos import open_photo
from dreamboot_trainer.problems import TrainerError

if TYPE_CHECKING:
    from PIL.Image import Image

_WIDEST = 1600
"""Pixels: twice what the page shows a grid in; the whole one is in samples/."""
_THUMBNAIL = 240
_QUALITY = 88
Item = TypeVar("Item")


def grids(run: Path) -> dict[int, Path]:
    """Step -> sample grid, in order."""
    found = {}
    for path in (run / "samples").glob("step-*.png"):
        number = re.fullmatch(r"step-(\d+)", path.stem)
        if number:
            found[int(number[1])] = path
    return dict(sorted(found.items()))


def spread(items: Sequence[Item], most: int) -> list[Item]:
    """At most `most` of the items, evenly, with the first and the last."""
    if len(items) <= most:
        return list(items)
    return [items[round(place * (len(items) - 1) / (most - 1))] for place in range(most)]


def png(path: Path) -> str:
    """The file as it is, as a data address; empty where there is none."""
    if not path.is_file():
        return ""
    return "data:image/png;base64," + base64.b64encode(path.read_bytes()).decode("ascii")


def grid(path: Path) -> tuple[str, int, int]:
    """A sample grid as JPEG, its width and height; an empty address where it cannot be read."""
    from PIL import Image

    try:
        with Image.open(path) as image:
            picture = image.convert("RGB")
    except (OSError, SyntaxError, ValueError):
        return "", 0, 0
    picture.thumbnail((_WIDEST, 8 * _WIDEST))
    return _jpeg(picture), *picture.size


def thumbnail(path: Path) -> str:
    """A photo as a small square JPEG; empty where it cannot be read any more."""
    from PIL import ImageOps

    try:
        picture = open_photo(path)
    except TrainerError:
        return ""
    return _jpeg(ImageOps.fit(picture, (_THUMBNAIL, _THUMBNAIL)))


def _jpeg(picture: Image) -> str:
    held = io.BytesIO()
    # Grids have thin letters, which halved colours would fray.
    picture.save(held, format="JPEG", quality=_QUALITY, subsampling=0, optimize=True)
    return "data:image/jpeg;base64," + base64.b64encode(held.getvalue()).decode("ascii")
