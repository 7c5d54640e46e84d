"""Every weight of the denoiser is trained, and of the text encoders where that is wished."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from dreamboot_trainer.config import Config
from dreamboot_trainer.pipeline import Pipeline
from dreamboot_trainer.problems import TrainerError
from dreamboot_trainer.save import save_folder
from dreamboot_trainer.sharding import whole_tree
from dreamboot_trainer.trainable import Trainable

if TYPE_CHECKING:
    from dreamboot_trainer.methods import Weights

NAME = "full"
ADAPTERS = False


def attach(pipeline: Pipeline, config: Config) -> Trainable:
    """See Method."""
    pipeline.denoiser.requires_grad_(requires_grad=True)
    encoders = tuple(pipeline.family.trainable(pipeline.text.encoders).values())
    encoders = encoders if config.training.train_text_encoder else ()
    for encoder in encoders:
        encoder.requires_grad_(requires_grad=True)
    return Trainable(pipeline.family, pipeline.denoiser, encoders)


def weights(pipeline: Pipeline, config: Config, *, keep: bool) -> Weights:
    """The denoiser's, and the text encoders' where they have changed."""
    family = pipeline.family
    trained = {family.denoiser: pipeline.denoiser.state_dict()}
    if config.training.train_text_encoder or config.data.token_initializers:
        trained |= {
            name: encoder.state_dict()
            for name, encoder in zip(family.text_encoders, pipeline.text.encoders, strict=True)
        }
    found: Weights = whole_tree(trained, keep=keep)
    return found


def save(pipeline: Pipeline, config: Config, weights: Weights, out: Path) -> None:
    """A diffusers folder: trained parts as they are now, the others as they came."""
    save_folder(pipeline.folder, pipeline.family, weights, config.output.save_precision, out)


def export(_: Pipeline, __: Config, saved: Path, out: Path) -> str:
    """One checkpoint in the original layout, in fp16 where all values have room in it."""
    from dreamboot_trainer.convert import to_original
    from dreamboot_trainer.convert.faults import TOO_LARGE

    try:
        to_original(saved, out)
    except TrainerError as error:
        if error.problem.id != TOO_LARGE:
            raise
        to_original(saved, out, dtype="float32")
        return f"In float32, twice as large as usual: {error.problem.what}"
    return ""


def load(_: Pipeline, __: Path) -> None:
    """Nothing to do: a full result is a pipeline of its own."""
