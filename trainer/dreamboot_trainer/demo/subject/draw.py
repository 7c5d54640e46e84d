"""Draws the demo subject, a round teal animal with a yellow belly and magenta ears, in ten poses. Pillow only.

`python -m dreamboot_trainer.demo.subject.draw` writes photos/ (what the demo trains on) and held_back/ (what it is
measured against). The same Pillow version writes the same bytes.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL import Image, ImageDraw

SIDE = 256
"""Side of a picture in pixels."""
OVERSAMPLING = 4
HERE = Path(__file__).parent

TEAL, DARK_TEAL, LIGHT_TEAL = (0, 166, 160), (0, 118, 122), (92, 214, 202)
YELLOW, DARK_YELLOW = (255, 209, 70), (240, 170, 40)
MAGENTA, DARK_MAGENTA = (222, 40, 130), (160, 20, 100)
INK, WHITE, TONGUE = (44, 34, 52), (255, 255, 255), (240, 90, 100)


@dataclass(frozen=True)
class Pose:
    """One picture. Angles in degrees (positive: anticlockwise), lengths as shares of the picture's side."""

    name: str
    back: tuple[int, int, int]
    tilt: float = 0.0
    look: tuple[float, float] = (0.0, 0.0)
    eyes: str = "open"
    mouth: str = "smile"
    ears: float = 0.0
    arms: tuple[float, float] = (-35.0, 35.0)
    size: float = 0.92
    shift: tuple[float, float] = (0.0, 0.0)


PHOTOS = (
    Pose("1-front", (255, 255, 255)),
    Pose("2-waving", (214, 236, 255), tilt=7, arms=(-40, 140), mouth="open", look=(0.3, 0.1)),
    Pose("3-wink", (255, 240, 214), tilt=-8, eyes="wink", ears=10, shift=(0.02, 0.01)),
    Pose("4-cheer", (255, 255, 255), arms=(-140, 140), mouth="open", ears=-10, size=0.88, shift=(0.0, 0.03)),
    Pose("5-asleep", (226, 222, 246), tilt=12, eyes="closed", mouth="small", ears=18, arms=(-25, 25)),
    Pose("6-curious", (222, 244, 220), tilt=-5, look=(-0.6, -0.3), mouth="small", ears=-6, arms=(-60, 30), size=0.9),
)
HELD_BACK = (
    Pose("1-glance", (255, 255, 255), tilt=4, look=(0.6, 0.2), mouth="smile", arms=(-30, 60)),
    Pose("2-laugh", (255, 230, 236), tilt=-10, eyes="closed", mouth="open", arms=(-120, 50), ears=6),
    Pose("3-calm", (240, 240, 226), tilt=9, mouth="small", ears=-8, arms=(-45, 45), size=0.85, shift=(-0.03, 0.02)),
    Pose("4-greeting", (255, 255, 255), tilt=-3, eyes="wink", mouth="open", arms=(-140, 30), look=(0.2, -0.2)),
)


def draw(pose: Pose) -> Image.Image:
    """The picture of one pose: RGB, 256x256."""
    from PIL import Image, ImageDraw

    full = SIDE * OVERSAMPLING
    layer = Image.new("RGBA", (full, full), (0, 0, 0, 0))
    pen = _Pen(ImageDraw.Draw(layer), full, pose.size)
    _tail_and_spikes(pen)
    for side in (-1, 1):
        _ear(pen, side, pose.ears)
        _foot(pen, side)
    _body(pen)
    for side, angle in zip((-1, 1), pose.arms, strict=True):
        _arm(pen, side, abs(angle))
    _face(pen, pose)
    move = (round(pose.shift[0] * full), round(pose.shift[1] * full))
    layer = layer.rotate(pose.tilt, Image.Resampling.BICUBIC, translate=move)
    canvas = Image.new("RGBA", (full, full), (*pose.back, 255))
    canvas.alpha_composite(layer)
    return canvas.convert("RGB").resize((SIDE, SIDE), Image.Resampling.LANCZOS)


class _Pen:
    """Draws in a square from -1 to 1, y downwards, so that a pose reads in the same units at every size."""

    def __init__(self, target: ImageDraw.ImageDraw, full: int, size: float) -> None:
        self.target, self.middle, self.unit = target, full / 2, full / 2 * size

    def at(self, x: float, y: float) -> tuple[float, float]:
        return (self.middle + x * self.unit, self.middle + y * self.unit)

    def ellipse(self, x: float, y: float, wide: float, high: float, fill: tuple[int, int, int]) -> None:
        self.target.ellipse([self.at(x - wide, y - high), self.at(x + wide, y + high)], fill=fill)

    def turned(self, x: float, y: float, wide: float, high: float, angle: float, fill: tuple[int, int, int]) -> None:
        """An ellipse whose `high` axis points `angle` degrees from upwards, clockwise."""
        turn = math.radians(angle)
        points = []
        for corner in range(72):
            round_ = 2 * math.pi * corner / 72
            across, along = wide * math.cos(round_), high * math.sin(round_)
            points.append(
                self.at(
                    x + across * math.cos(turn) - along * math.sin(turn),
                    y + across * math.sin(turn) + along * math.cos(turn),
                )
            )
        self.target.polygon(points, fill=fill)

    def arc(self, x: float, y: float, wide: float, high: float, ends: tuple[int, int], thick: float) -> None:
        box = [self.at(x - wide, y - high), self.at(x + wide, y + high)]
        self.target.arc(box, *ends, fill=INK, width=round(thick * self.unit))

    def polygon(self, corners: tuple[tuple[float, float], ...], fill: tuple[int, int, int]) -> None:
        self.target.polygon([self.at(*corner) for corner in corners], fill=fill)


def _tail_and_spikes(pen: _Pen) -> None:
    for step in range(8):
        angle = math.radians(20 + 22 * step)
        pen.ellipse(0.62 + 0.16 * math.sin(angle), 0.42 - 0.18 * math.cos(angle) * 0.9, 0.085, 0.085, DARK_TEAL)
    pen.ellipse(0.66, 0.64, 0.11, 0.11, MAGENTA)
    for x, y in ((-0.16, -0.62), (0.0, -0.72), (0.16, -0.62)):
        pen.polygon(((x - 0.1, y + 0.16), (x, y - 0.14), (x + 0.1, y + 0.16)), YELLOW)


def _ear(pen: _Pen, side: int, droop: float) -> None:
    """A long ear that leans outwards by 32 degrees and `droop` more."""
    angle = side * (32 + droop)
    turn = math.radians(angle)
    x, y = side * 0.34 + 0.26 * math.sin(turn), -0.4 - 0.26 * math.cos(turn)
    pen.turned(x, y, 0.15, 0.36, angle, DARK_MAGENTA)
    pen.turned(x, y, 0.125, 0.335, angle, MAGENTA)
    pen.turned(x, y + 0.02, 0.06, 0.22, angle, (250, 140, 190))


def _foot(pen: _Pen, side: int) -> None:
    pen.ellipse(side * 0.27, 0.76, 0.2, 0.12, DARK_TEAL)
    for toe in (-0.09, 0.0, 0.09):
        pen.ellipse(side * 0.27 + toe, 0.82, 0.04, 0.04, YELLOW)


def _body(pen: _Pen) -> None:
    pen.ellipse(0.0, 0.12, 0.6, 0.68, DARK_TEAL)
    pen.ellipse(-0.01, 0.1, 0.575, 0.655, TEAL)
    pen.ellipse(-0.2, -0.28, 0.22, 0.14, LIGHT_TEAL)
    pen.ellipse(0.0, 0.43, 0.37, 0.32, DARK_YELLOW)
    pen.ellipse(0.0, 0.42, 0.345, 0.295, YELLOW)
    for x, y in ((-0.15, 0.36), (0.12, 0.52), (0.14, 0.3), (-0.1, 0.56)):
        pen.ellipse(x, y, 0.055, 0.055, MAGENTA)


def _arm(pen: _Pen, side: int, lift: float) -> None:
    """An arm from the shoulder; `lift` 0 hangs down, 180 points up."""
    turn = math.radians(lift)
    x, y = side * (0.5 + 0.2 * math.sin(turn)), 0.2 + 0.2 * math.cos(turn)
    pen.turned(x, y, 0.1, 0.23, -side * lift, DARK_TEAL)
    pen.turned(x, y, 0.08, 0.21, -side * lift, TEAL)
    pen.ellipse(side * (0.5 + 0.36 * math.sin(turn)), 0.2 + 0.36 * math.cos(turn), 0.08, 0.08, YELLOW)


def _face(pen: _Pen, pose: Pose) -> None:
    for side in (-1, 1):
        shut = pose.eyes == "closed" or (pose.eyes == "wink" and side == 1)
        if shut:
            pen.arc(side * 0.22, -0.14, 0.13, 0.11, (20, 160), 0.045)
            continue
        pen.ellipse(side * 0.22, -0.14, 0.175, 0.195, WHITE)
        x, y = side * 0.22 + 0.06 * pose.look[0], -0.12 + 0.06 * pose.look[1]
        pen.ellipse(x, y, 0.105, 0.125, INK)
        pen.ellipse(x + 0.04, y - 0.05, 0.04, 0.045, WHITE)
    pen.ellipse(0.0, 0.0, 0.05, 0.035, DARK_MAGENTA)
    if pose.mouth == "open":
        pen.target.pieslice([pen.at(-0.17, -0.1), pen.at(0.17, 0.24)], 0, 180, fill=INK)
        pen.ellipse(0.0, 0.185, 0.085, 0.05, TONGUE)
    elif pose.mouth == "small":
        pen.ellipse(0.0, 0.1, 0.05, 0.04, INK)
    else:
        pen.arc(0.0, 0.0, 0.17, 0.13, (25, 155), 0.04)


def main() -> None:
    """Write every picture as PNG."""
    for folder, poses in (("photos", PHOTOS), ("held_back", HELD_BACK)):
        (HERE / folder).mkdir(exist_ok=True)
        for pose in poses:
            draw(pose).save(HERE / folder / f"{pose.name}.png", optimize=True)


if __name__ == "__main__":
    main()
