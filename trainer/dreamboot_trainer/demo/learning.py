"""Did it learn? Scores of a model before and after training on the demo subject, by the judge's features.

The judge (`demo.judge`) is a classifier of the demo's 510 things that never saw the subject; similarity is the cosine
of two pictures' features: 1 for the same picture, about 0 for unrelated ones.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dreamboot_trainer import demo

if TYPE_CHECKING:
    import torch

FIRST_SEED = 5000
"""Seed of the first sample of each prompt; far from the seeds of class images and sample grids."""


@dataclass(frozen=True, kw_only=True)
class Scores:
    """Means over the samples of one model.

    `subject`: similarity of samples of the instance prompt to the subject's held-back pictures; learning raises it.
    `leak`: the same for samples of the class prompt; a class that turned into the subject raises it.
    `diversity`: 1 - mean similarity between samples of the class prompt; a collapsed class lowers it.
    `kept`: similarity of the class prompt's samples to the base model's from the same seeds; 1 for the base itself.
    """

    subject: float
    leak: float
    diversity: float
    kept: float


def score(model: Path, base: Path = demo.MODEL_DIR, count: int = 16) -> Scores:
    """Scores of the diffusers folder `model` from `count` samples per prompt; `base` is what it was trained from.

    Takes about `count` seconds on one CPU core. Raises TrainerError when a folder is no diffusers folder.
    """
    after = features_of(model, demo.CLASS_PROMPT, count)
    before = after if model == base else features_of(base, demo.CLASS_PROMPT, count)
    return from_features(features_of(model, demo.INSTANCE_PROMPT, count), after, before, subject_features())


def from_features(instance: torch.Tensor, plain: torch.Tensor, base: torch.Tensor, subject: torch.Tensor) -> Scores:
    """Scores from features (N, D), rows of length 1; `plain`: class prompt, `base`: the same before training."""
    count = len(plain)
    between = plain @ plain.T
    return Scores(
        subject=float((instance @ subject.T).mean()),
        leak=float((plain @ subject.T).mean()),
        diversity=float(1 - (between.sum() - between.diagonal().sum()) / (count * (count - 1))),
        kept=float((plain * base).sum(1).mean()),
    )


def features_of(model: Path, prompt: str, count: int) -> torch.Tensor:
    """The judge's features (`count`, 128) of samples of one prompt from seeds FIRST_SEED and up."""
    from dreamboot_trainer.demo import judge

    return judge.features(pixels(samples(model, prompt, count)))  # type: ignore[no-any-return]


def subject_features() -> torch.Tensor:
    """The judge's features (4, 128) of the subject's held-back pictures."""
    from PIL import Image

    from dreamboot_trainer.demo import judge

    files = sorted(demo.HELD_BACK_DIR.glob("*.png"))
    side = (demo.RESOLUTION, demo.RESOLUTION)
    pictures = [Image.open(file).convert("RGB").resize(side, Image.Resampling.LANCZOS) for file in files]
    return judge.features(pixels(pictures))  # type: ignore[no-any-return]


def samples(model: Path, prompt: str, count: int) -> tuple[Any, ...]:
    """`count` pictures (PIL, RGB) of `prompt` from the diffusers folder `model`, with the demo's sampling settings."""
    import torch

    from dreamboot_trainer import pipeline
    from dreamboot_trainer.families import family_of
    from dreamboot_trainer.model_folder import read_folder

    folder = read_folder(model)
    loaded = pipeline.load(family_of(folder), folder, None, torch.device("cpu"))
    request = pipeline.Request(
        seeds=tuple(range(FIRST_SEED, FIRST_SEED + count)),
        height=demo.RESOLUTION,
        width=demo.RESOLUTION,
        guidance=float(demo.settings()["guidance_scale"]),
        steps=int(demo.settings()["num_inference_steps"]),
    )
    negative = pipeline.repeat(loaded.embed([""]), count)
    return loaded.generate(request, pipeline.repeat(loaded.embed([prompt]), count), negative)


def pixels(pictures: tuple[Any, ...] | list[Any]) -> torch.Tensor:
    """RGB pictures of one size as (N, 3, H, W) float32 in [0, 1]."""
    import numpy as np
    import torch

    stacked = np.stack([np.asarray(picture, np.uint8) for picture in pictures])
    return torch.from_numpy(stacked).permute(0, 3, 1, 2).float().div_(255)
