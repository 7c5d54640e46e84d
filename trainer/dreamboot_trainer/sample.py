"""Sample grids: the same prompts and seeds before, during and after, so that a person can see what is learnt."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from dreamboot_trainer import shell
from dreamboot_trainer.config import Sampling
from dreamboot_trainer.files import replacing
from dreamboot_trainer.lettering import font, lines
from dreamboot_trainer.pipeline import Pipeline, Request, repeat
from dreamboot_trainer.problems import TrainerError, mismatch

if TYPE_CHECKING:
    from PIL.Image import Image

_ASKED = "dreamboot"
"""Key in a grid's file for what it was drawn from."""
_GAP = 4
"""Pixels between pictures."""
_SMALLEST, _LARGEST = 14, 48
"""Pixels: the sizes of letters."""


def prompts_of(sampling: Sampling, defaults: Sequence[str]) -> tuple[str, ...]:
    """The prompts of the grids: the configured ones, or the run's own without repeats."""
    return sampling.validation_prompts or tuple(dict.fromkeys(prompt for prompt in defaults if prompt))


def make_grid(
    pipeline: Pipeline, sampling: Sampling, prompts: Sequence[str], side: int, title: str,
    before_step: Callable[[], None] = lambda: None,
) -> Image:  # fmt: skip
    """One row per prompt, one column per seed. `before_step` is called before every denoising step of a row."""
    count = sampling.num_validation_images
    request = Request(
        seeds=tuple(sampling.validation_seed + column for column in range(count)),
        height=side,
        width=side,
        guidance=sampling.guidance_scale,
        steps=sampling.num_inference_steps,
        before_step=before_step,
    )
    negative = repeat(pipeline.embed([sampling.negative_prompt]), count)
    rows = [pipeline.generate(request, repeat(pipeline.embed([prompt]), count), negative) for prompt in prompts]
    grid = draw_grid(rows, prompts, title)
    asked = [list(prompts), sampling.negative_prompt, request.seeds, side, request.guidance, request.steps]
    grid.info[_ASKED] = json.dumps(asked)
    return grid


def draw_grid(rows: Sequence[Sequence[Image]], labels: Sequence[str], title: str) -> Image:
    """Pictures of one size, each row under its label, all under the title."""
    from PIL import Image, ImageDraw

    columns = max(len(row) for row in rows)
    width, height = rows[0][0].size
    across = columns * (width + _GAP) + _GAP
    # A wide grid is looked at from further away, as it were: letters grow with it.
    size = min(max(_SMALLEST, across // 32), _LARGEST)
    letters, line, room = font(size), size * 4 // 3, across - 2 * _GAP
    texts = [lines(label, letters, room) for label in labels]
    label_height = max(1, *(len(text) for text in texts)) * line + _GAP
    heading = line + 2 * _GAP
    step = label_height + height + 2 * _GAP
    canvas = Image.new("RGB", (across, heading + len(rows) * step), "white")
    pen = ImageDraw.Draw(canvas)
    pen.text((_GAP, _GAP), "\n".join(lines(title, letters, room, 1)), fill="black", font=letters)
    for index, (row, text) in enumerate(zip(rows, texts, strict=True)):
        top = heading + index * step
        above = top + label_height - _GAP - len(text) * line  # a short label stands right over its row, too
        for number, part in enumerate(text):
            pen.text((_GAP, above + number * line), part, fill="dimgray", font=letters)
        for column, picture in enumerate(row):
            canvas.paste(picture, (_GAP + column * (width + _GAP), top + label_height))
    return canvas


def beside(before: Path, after: Path, out: Path) -> None:
    """Two grids next to each other, `out` as PNG."""
    from PIL import Image

    with _opened(before) as left, _opened(after) as right:
        canvas = Image.new("RGB", (left.width + right.width + 4 * _GAP, max(left.height, right.height)), "white")
        canvas.paste(left, (0, 0))
        canvas.paste(right, (left.width + 4 * _GAP, 0))
    write_png(canvas, out)


def _opened(path: Path) -> Image:
    from PIL import Image

    try:
        picture = Image.open(path)
        picture.load()
    except (OSError, SyntaxError, ValueError) as error:
        raise TrainerError(
            mismatch("picture-unreadable", f"{path} cannot be read.", "a whole picture", error, shell.look(path.parent))
        ) from error
    return picture


def alike(one: Path, other: Path) -> bool:
    """Whether both grids are there, and of the same prompts and seeds: only then can they be compared."""
    if not (one.is_file() and other.is_file()):
        return False
    with _opened(one) as first, _opened(other) as second:
        told = first.info.get(_ASKED)
        return told is None or bool(told == second.info.get(_ASKED))  # grids of earlier versions do not tell


def write_png(image: Image, path: Path) -> None:
    """The picture at `path`, whole or not at all, with what it was drawn from."""
    from PIL.PngImagePlugin import PngInfo

    told = PngInfo()
    if _ASKED in image.info:
        told.add_text(_ASKED, image.info[_ASKED])
    with replacing(path) as partial:
        image.save(partial, format="PNG", pnginfo=told)
