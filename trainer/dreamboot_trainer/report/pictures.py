"""The page's pictures: grids, photos and curves."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from dreamboot_trainer.config import Config
from dreamboot_trainer.data.concepts import subjects
from dreamboot_trainer.data.photos import list_photos, open_photo
from dreamboot_trainer.problems import TrainerError
from dreamboot_trainer.report.page import grid, paragraph, picture

_SHOWN = 12
_SIDE = 192
"""Photos that are shown, and the longer side of each in pixels."""


def before_and_after(config: Config, run: Path) -> str:
    """The first and the last grid, where they show the same prompts: then before_after.png was made of them."""
    paths = [run / "samples" / f"step-{step:06d}.png" for step in (0, config.training.max_train_steps)]
    if not (run / "samples" / "before_after.png").is_file() or not all(path.is_file() for path in paths):
        return ""
    words = ("Before training", f"After {config.training.max_train_steps} steps")
    return grid((picture(path.read_bytes(), text) for path, text in zip(paths, words, strict=True)), "pair")


def samples(run: Path) -> str:
    """Every grid of the course."""
    found = []
    for path in sorted((run / "samples").glob("step-*[0-9].png")):
        step = int(path.stem.rpartition("-")[2])
        found.append(picture(path.read_bytes(), f"After {step} steps" if step else "Before training"))
    return grid(found, "pair")


def photos(config: Config, run: Path) -> str:
    """Small pictures of the photos, as far as they are still there."""
    found: list[str] = []
    total = 0
    try:
        for subject in subjects(config, run):
            paths = list_photos(subject.instance_dir).photos
            total += len(paths)
            found += [_small(path) for path in paths[: _SHOWN - len(found)]]
    except TrainerError:
        pass  # they may have been moved or deleted since
    shown = grid((each for each in found if each), "row")
    more = f", {_SHOWN} of them here" if total > _SHOWN else ""
    return f"{paragraph(f'{total} photos{more}.')}{shown}" if shown else ""


def _small(path: Path) -> str:
    try:
        image = open_photo(path)
    except TrainerError:
        return ""
    image.thumbnail((_SIDE, _SIDE))
    content = io.BytesIO()
    image.save(content, format="JPEG", quality=80)
    return picture(content.getvalue(), path.name, "jpeg")


def curves(run: Path, records: Sequence[Mapping[str, Any]]) -> str:
    """The loss, and the learning rate: a sentence where it never changes."""
    told = [r["data"] for r in records if (r.get("event"), r.get("stage")) == ("progress", "train")]
    rates = {data["learning_rate"] for data in told}
    rate = run / "plots" / "learning_rate.png"
    parts = [_curve(run / "plots" / "loss.png", "Loss of each step, and its running mean")]
    if len(rates) == 1:
        parts.append(paragraph(f"The learning rate was {rates.pop():g} in every step."))
    else:
        parts.append(_curve(rate, "Learning rate"))
    if parts[0]:
        parts.append(
            paragraph(
                "The loss depends mostly on how much noise a step happened to draw, and hardly falls while a model "
                "learns. The pictures tell more."
            )
        )
    return "".join(parts)


def _curve(path: Path, caption: str) -> str:
    return picture(path.read_bytes(), caption) if path.is_file() else ""
