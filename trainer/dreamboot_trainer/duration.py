"""How many steps a run has, where it is said in passes over the photos."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence

from dreamboot_trainer.config import Config
from dreamboot_trainer.data.concepts import Subject
from dreamboot_trainer.data.photos import list_photos


def in_steps(config: Config, subjects: Sequence[Subject], processes: int) -> Config:
    """The configuration with max_train_steps for num_train_epochs passes over all photos; as it is where that is 0."""
    training = config.training
    if not training.num_train_epochs:
        return config
    photos = sum(len(list_photos(subject.instance_dir).photos) for subject in subjects)
    seen = training.train_batch_size * training.gradient_accumulation_steps * processes
    steps = max(1, math.ceil(training.num_train_epochs * photos / seen))
    return dataclasses.replace(config, training=dataclasses.replace(training, max_train_steps=steps))
