"""How a model is tuned: which weights are trained, and what is left behind. One file per method."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, cast

if TYPE_CHECKING:
    import torch

    from dreamboot_trainer.config import Config
    from dreamboot_trainer.pipeline import Pipeline
    from dreamboot_trainer.trainable import Trainable

    Weights = Mapping[str, Mapping[str, torch.Tensor]]


class Method(Protocol):
    """`NAME` is the value of the key `method`. `ADAPTERS`: peft is needed, and the model's own weights stay frozen."""

    NAME: str
    ADAPTERS: bool

    def attach(self, pipeline: Pipeline, config: Config) -> Trainable:
        """The trainable module over the pipeline's parts; everything that stays as it is is frozen."""

    def weights(self, pipeline: Pipeline, config: Config, *, keep: bool) -> Weights:
        """What has been trained, component by component. Sharded weights are put together: all processes call it.

        `keep`: whether this process has a use for what was sharded; the others get None in its place.
        """

    def save(self, pipeline: Pipeline, config: Config, weights: Weights, out: Path) -> None:
        """Write the result as the folder `out`."""

    def export(self, pipeline: Pipeline, config: Config, saved: Path, out: Path) -> str:
        """Write the result for other programs as the file `out`. What a person should know of it, or nothing."""

    def load(self, pipeline: Pipeline, saved: Path) -> None:
        """Put a saved result into a pipeline of the model that was tuned."""


@cache
def methods() -> Mapping[str, Method]:
    """Every method by its name."""
    found: list[Any] = [
        importlib.import_module(f"{__name__}.{module.name}") for module in pkgutil.iter_modules(__path__)
    ]
    return {module.NAME: cast(Method, module) for module in found}
