"""Text in pictures: a font of the size that is asked for, and lines that fit a width."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from PIL.ImageFont import FreeTypeFont, ImageFont

    Font = FreeTypeFont | ImageFont

_ELLIPSIS = "…"


def font(size: int) -> Font:
    """Pillow's own font at `size` pixels; its bitmap font, which has one size, where Pillow came without FreeType."""
    from PIL import ImageFont

    try:
        return ImageFont.load_default(size=size)
    except (TypeError, ImportError, OSError):  # before Pillow 10.1 there was no size to ask for
        return ImageFont.load_default()


def lines(text: str, letters: Font, width: int, most: int = 2) -> tuple[str, ...]:
    """`text` in at most `most` lines of at most `width` pixels; an ellipsis stands for what has no room."""
    words = _drawable(text, letters).split()
    found: list[str] = []
    while words and len(found) < most:
        last = len(found) == most - 1
        taken = len(words) if last else _fitting(words, letters, width)
        found.append(_shortened(" ".join(words[:taken]), letters, width))
        words = words[taken:]
    return tuple(found)


def _fitting(words: list[str], letters: Font, width: int) -> int:
    """How many words fit the width; one at least."""
    count = 1
    while count < len(words) and _width(" ".join(words[: count + 1]), letters) <= width:
        count += 1
    return count


def _shortened(text: str, letters: Font, width: int) -> str:
    if _width(text, letters) <= width:
        return text
    mark = _drawable(_ELLIPSIS, letters)
    while text and _width(text.rstrip() + mark, letters) > width:
        text = text[:-1]
    return text.rstrip() + mark


def _width(text: str, letters: Font) -> float:
    return float(letters.getlength(text))


def _drawable(text: str, letters: Any) -> str:
    """The bitmap font knows Latin-1 alone, and raises on anything else."""
    if hasattr(letters, "getmetrics"):
        return text
    return text.replace(_ELLIPSIS, "...").encode("latin-1", "replace").decode("latin-1")
