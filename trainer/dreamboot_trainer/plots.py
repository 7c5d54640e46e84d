"""The curves of a run as PNG, drawn with Pillow alone (matplotlib would cost more to import than the plot to draw)."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dreamboot_trainer.lettering import font
from dreamboot_trainer.sample import write_png

if TYPE_CHECKING:
    from PIL.Image import Image
    from PIL.ImageDraw import ImageDraw

_SIZE = (960, 480)
_TOP, _RIGHT, _BOTTOM = 56, 32, 76
_LETTERS = 22
"""Pixels: still readable where a phone shows the plot at two fifths of its size."""
_RAW, _SMOOTH, _GRID, _TEXT = "#b8cbe0", "#1f4e8c", "#e4e4e4", "#303030"
_FLAT = 1e-9
"""Share of a value that is no change of it."""


def smooth(values: Sequence[float], window: int) -> tuple[float, ...]:
    """The mean of the last `window` values at each place."""
    total, found = 0.0, []
    for index, value in enumerate(values):
        total += value - (values[index - window] if index >= window else 0.0)
        found.append(total / min(index + 1, window))
    return tuple(found)


def window_of(count: int) -> int:
    """How many steps a running mean is of: a tenth of the run, and of a short run more, or it would hide nothing."""
    return min(count, max(5, count // 10), 250)


def constant(values: Sequence[float]) -> bool:
    """Whether all values are the same, but for rounding."""
    return max(values) - min(values) <= _FLAT * max(abs(value) for value in values)


def limits(values: Sequence[float]) -> tuple[float, float]:
    """The ends of an axis: just outside of the values. A single value is in the middle."""
    low, high = min(values), max(values)
    margin = 0.1 * (abs(low) or 1.0) if constant(values) else 0.05 * (high - low)
    return low - margin, high + margin


def ticks(low: float, high: float, count: int = 6, least: float = 0.0) -> tuple[float, ...]:
    """Round numbers (1, 2 or 5 times a power of ten apart, `least` or more) within low .. high."""
    raw = max((high - low) / count, least)
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= raw * (1 - _FLAT))
    first, last = math.ceil(low / step - _FLAT), math.floor(high / step + _FLAT)
    return tuple(float(f"{step * place:.12g}") for place in range(first, last + 1))


def short(value: float) -> str:
    """A number as people write it: 0.25, 300, 2e-4."""
    if not 0 < abs(value) < 1e-3:
        return f"{value:g}"
    digits, _, power = f"{value:.3e}".partition("e")
    return f"{float(digits):g}e{int(power)}"


def curve(steps: Sequence[int], values: Sequence[float], title: str, window: int = 1) -> Image:
    """Values over steps. With a window of several steps each value is pale, and their running mean lies over it."""
    from PIL import Image, ImageDraw

    image = Image.new("RGB", _SIZE, "white")
    pen = ImageDraw.Draw(image)
    letters = font(_LETTERS)
    low, high = limits(values)
    first, last = (steps[0], steps[-1]) if len(steps) > 1 else (steps[0] - 1, steps[0] + 1)
    rows = {row: short(row) for row in ticks(low, high)}
    left = int(max(letters.getlength(text) for text in rows.values())) + 24

    def point(step: float, value: float) -> tuple[float, float]:
        x = left + (step - first) / (last - first) * (_SIZE[0] - left - _RIGHT)
        y = _SIZE[1] - _BOTTOM - (value - low) / (high - low) * (_SIZE[1] - _TOP - _BOTTOM)
        return x, y

    for row, text in rows.items():
        pen.line([point(first, row), point(last, row)], fill=_GRID)
        pen.text((left - 10, point(first, row)[1]), text, fill=_TEXT, font=letters, anchor="rm")
    for column in ticks(first, last, least=1):
        pen.line([point(column, low), point(column, high)], fill=_GRID)
        pen.text((point(column, low)[0], _SIZE[1] - _BOTTOM + 8), short(column), fill=_TEXT, font=letters, anchor="ma")
    if window > 1:
        _line(pen, [point(*pair) for pair in zip(steps, values, strict=True)], _RAW, 2)
        title += f" (thin: each step; thick: mean of {window} steps)"
    _line(pen, [point(*pair) for pair in zip(steps, smooth(values, window), strict=True)], _SMOOTH, 4)
    pen.text((left, 14), title, fill=_TEXT, font=letters)
    pen.text(((left + _SIZE[0] - _RIGHT) // 2, _SIZE[1] - 10), "step", fill=_TEXT, font=letters, anchor="ms")
    return image


def draw_loss(records: Sequence[Mapping[str, Any]], path: Path) -> None:
    """The loss of every training step in the events."""
    found = series(records, "loss")
    if found:
        write_png(curve(list(found), list(found.values()), "Training loss", window_of(len(found))), path)


def draw_rate(records: Sequence[Mapping[str, Any]], path: Path) -> None:
    """The learning rate of every training step in the events."""
    found = series(records, "learning_rate")
    if found:
        write_png(curve(list(found), list(found.values()), "Learning rate"), path)


def series(records: Sequence[Mapping[str, Any]], key: str) -> dict[int, float]:
    """What each training step tells under `key`, in order; a step that was repeated after a kill counts once."""
    found: dict[int, float] = {}
    for record in records:
        data = record.get("data")
        if record.get("event") == "progress" and record.get("stage") == "train" and isinstance(data, dict):
            found[record["done"]] = data[key]
    return dict(sorted(found.items()))


def _line(pen: ImageDraw, points: list[tuple[float, float]], color: str, width: int) -> None:
    if len(points) == 1:
        x, y = points[0]
        pen.ellipse([x - 2, y - 2, x + 2, y + 2], fill=color)
    pen.line(points, fill=color, width=width, joint="curve")
