"""The learning rate where the configuration names none: it depends on what is trained, and by what."""

from __future__ import annotations

from dataclasses import replace

from dreamboot_trainer.config import Config

FULL, ADAPTER, PRODIGY = 5e-6, 1e-4, 1.0
"""All weights: the DreamBooth paper (arXiv 2208.12242). An adapter: the default of diffusers' train_dreambooth_lora
scripts (examples/dreambooth at 58eb52c). Prodigy finds the rate itself and multiplies it by this one; 1 is the advice
of its authors (prodigyopt's README)."""
LOW_FOR_ADAPTER, HIGH_FOR_FULL = 2e-5, 5e-5
"""Between the usual rates of the two methods: a rate on the wrong side is likely meant for the other one."""


def usual_rate(method: str, optimizer: str) -> float:
    """What is trained with where nothing else is said."""
    if optimizer == "prodigy":
        return PRODIGY
    return ADAPTER if method == "lora" else FULL


def with_rate(config: Config) -> Config:
    """The same Config with the number that is used in place of 0."""
    if config.optimizer.learning_rate:
        return config
    rate = usual_rate(config.training.method, config.optimizer.optimizer)
    return replace(config, optimizer=replace(config.optimizer, learning_rate=rate))
