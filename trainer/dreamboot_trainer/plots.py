"""The loss curve as a PNG, drawn with Pillow alone (matplotlib would cost more to import than the plot to draw)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dreamboot_trainer.sample import write_png

if TYPE_CHECKING:
    from PIL.Image import Image
    from PIL.ImageDraw import ImageDraw

_SIZE = (960, 480)
_LEFT, _TOP, _RIGHT, _BOTTOM = 72, 36, 24, 48
_RAW, _SMOOTH, _GRID, _TEXT = "#b8cbe0", "#1f4e8c", "#e4e4e4", "#303030"


def smooth(values: Sequence[float], window: int) -> tuple[float, ...]:
    """The mean of the last `window` values at each place."""
    total, found = 0.0, []
    for index, value in enumerate(values):
        total += value - (values[index - window] if index >= window else 0.0)
        found.append(total / min(index + 1, window))
    return tuple(found)


def ticks(low: float, high: float, count: int = 5) -> tuple[float, ...]:
    """Round numbers (1, 2 or 5 times a power of ten apart) that cover low .. high."""
    if high <= low:
        pad = abs(low) / 2 or 1.0
        low, high = low - pad, high + pad
    raw = (high - low) / count
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= raw)
    first = math.floor(low / step)
    return tuple(float(f"{step * (first + index):.12g}") for index in range(math.ceil(high / step) - first + 1))


def curve(steps: Sequence[int], values: Sequence[float], title: str, unit: str, window: int = 1) -> Image:
    """Values over steps: each one pale, the mean of the last `window` over it, axes with round numbers."""
    from PIL import Image, ImageDraw, ImageFont

    image = Image.new("RGB", _SIZE, "white")
    pen = ImageDraw.Draw(image)
    font = ImageFont.load_default(size=14)
    rows = ticks(min(values), max(values))
    columns = ticks(steps[0], steps[-1])

    def point(step: float, value: float) -> tuple[float, float]:
        x = _LEFT + (step - columns[0]) / (columns[-1] - columns[0]) * (_SIZE[0] - _LEFT - _RIGHT)
        y = _SIZE[1] - _BOTTOM - (value - rows[0]) / (rows[-1] - rows[0]) * (_SIZE[1] - _TOP - _BOTTOM)
        return x, y

    for row in rows:
        pen.line([point(columns[0], row), point(columns[-1], row)], fill=_GRID)
        pen.text((_LEFT - 8, point(columns[0], row)[1]), f"{row:g}", fill=_TEXT, font=font, anchor="rm")
    for column in columns:
        pen.line([point(column, rows[0]), point(column, rows[-1])], fill=_GRID)
        pen.text((point(column, rows[0])[0], _SIZE[1] - _BOTTOM + 6), f"{column:g}", fill=_TEXT, font=font, anchor="ma")
    _line(pen, [point(*pair) for pair in zip(steps, values, strict=True)], _RAW, 1)
    _line(pen, [point(*pair) for pair in zip(steps, smooth(values, window), strict=True)], _SMOOTH, 3)
    told = f" (dark: mean of {window} steps)" if window > 1 else ""
    pen.text((_LEFT, 10), f"{title}{told}", fill=_TEXT, font=font)
    pen.text((_SIZE[0] // 2, _SIZE[1] - 20), "step", fill=_TEXT, font=font, anchor="ma")
    pen.text((8, _TOP - 8), unit, fill=_TEXT, font=font, anchor="ls")
    return image


def draw_loss(records: Sequence[dict[str, Any]], path: Path) -> None:
    """The loss of every training step in the events; a step that was repeated after a kill counts once."""
    _draw(records, "loss", "training loss", "loss", path, smoothed=True)


def draw_rate(records: Sequence[dict[str, Any]], path: Path) -> None:
    """The learning rate of every training step in the events."""
    _draw(records, "learning_rate", "learning rate", "rate", path)


def _draw(
    records: Sequence[dict[str, Any]], key: str, title: str, unit: str, path: Path, *, smoothed: bool = False
) -> None:
    found: dict[int, float] = {}
    for record in records:
        data = record.get("data")
        if record.get("event") == "progress" and record.get("stage") == "train" and isinstance(data, dict):
            found[record["done"]] = data[key]
    if found:
        steps = sorted(found)
        # A tenth of the run: what a step's loss shows is mostly the noise level that it drew.
        window = max(1, min(100, len(steps) // 10)) if smoothed else 1
        write_png(curve(steps, [found[step] for step in steps], title, unit, window), path)


def _line(pen: ImageDraw, points: list[tuple[float, float]], color: str, width: int) -> None:
    if len(points) == 1:
        x, y = points[0]
        pen.ellipse([x - 2, y - 2, x + 2, y + 2], fill=color)
    pen.line(points, fill=color, width=width, joint="curve")
