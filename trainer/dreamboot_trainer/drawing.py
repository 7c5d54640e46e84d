"""Pictures outside of training: a trained model is loaded as it was saved, and draws what it is asked for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from dreamboot_trainer.base_model import base_folder
from dreamboot_trainer.checks.fits import size_faults
from dreamboot_trainer.config import Config
from dreamboot_trainer.data.concepts import subjects
from dreamboot_trainer.events import EventLog
from dreamboot_trainer.families import family_of
from dreamboot_trainer.model_folder import INDEX, ModelFolder, read_folder
from dreamboot_trainer.problems import TrainerError

if TYPE_CHECKING:
    from dreamboot_trainer.pipeline import Pipeline

STAGE = "draw"
PICTURES = 4
"""Of each prompt, where neither call nor configuration say it."""


def draw(config: Config, run: Path, out: Path, events: EventLog, *, prompts: Sequence[str] = (), pictures: int = 0,
         model: Path | None = None) -> None:  # fmt: skip
    """A grid as PNG at `out`: a row for each prompt, `pictures` of each.

    `prompts`: the configured ones, or the run's own, where there are none. `model`: a folder, or None for the run's
    result (the base model where it has none yet). Progress goes into `events`. TrainerError for a model that can't be
    read.
    """
    from dreamboot_trainer import sample

    result = run / "model"
    place = model or (result if result.is_dir() else None)
    base = base_folder(config, run)
    faults = size_faults(config, base, family_of(base), buckets=False)
    if faults:
        raise TrainerError(*faults)
    pipeline = open_model(config, base, place)
    own = [prompt for subject in subjects(config, run) for prompt in (subject.instance_prompt, subject.class_prompt)]
    found = prompts or sample.prompts_of(config.sampling, own)
    count = pictures or config.sampling.num_validation_images or PICTURES
    sampling = replace(config.sampling, num_validation_images=count)
    total = sampling.num_inference_steps * len(found)
    drawn = count * len(found)
    events.started(STAGE, f"{drawn} picture{'s' * (drawn != 1)}")
    done = 0

    def next_step() -> None:
        nonlocal done
        events.progress(STAGE, done, total, "denoising steps")
        done += 1

    grid = sample.make_grid(pipeline, sampling, found, config.data.resolution, pipeline.folder.path.name, next_step)
    sample.write_png(grid, out)
    events.progress(STAGE, total, total, "denoising steps")
    events.finished(STAGE)


def open_model(config: Config, base: ModelFolder, trained: Path | None) -> Pipeline:
    """`base` with what `trained` holds, a whole model or an adapter, on the configured device; None: `base` as it is.

    TrainerError for a folder that can't be read.
    """
    from dreamboot_trainer.methods import methods

    adapter = trained is not None and trained.is_dir() and not (trained / INDEX).is_file()
    folder = base if adapter or trained is None else read_folder(trained)
    import torch

    from dreamboot_trainer import backend, pipeline

    chosen = backend.choose(config.training.device)
    numbers = pipeline.base_for(config, family_of(folder), chosen)
    device = torch.device(chosen.NAME)
    loaded = pipeline.load(family_of(folder), folder, None, device, adapters=adapter, base=numbers)
    if adapter and trained is not None:
        methods()["lora"].load(loaded, trained)
    return loaded
