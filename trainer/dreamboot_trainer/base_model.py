"""The base model of a run, where it is read after training: with the parts from elsewhere that training had."""

from __future__ import annotations

from pathlib import Path

from dreamboot_trainer.config import Config
from dreamboot_trainer.data.concepts import model_path
from dreamboot_trainer.model_folder import ModelFolder, read_folder
from dreamboot_trainer.problems import TrainerError, mismatch
from dreamboot_trainer.shell import quoted

CONVERTED = "base_model"
"""In the run: the diffusers folder that a single checkpoint file was converted to."""


def parts_elsewhere(config: Config) -> dict[str, Path]:
    """Component -> folder of what is taken in place of the model's own."""
    named = {"vae": config.model.pretrained_vae_name_or_path, "tokenizer": config.model.tokenizer_name}
    return {name: Path(place).expanduser() for name, place in named.items() if place}


def base_folder(config: Config, run: Path) -> ModelFolder:
    """The model that was tuned. TrainerError for a checkpoint file that no training in `run` has converted."""
    path = model_path(config)
    if not path.is_file():
        return read_folder(path, parts_elsewhere(config))
    if (run / CONVERTED).is_dir():
        return read_folder(run / CONVERTED, parts_elsewhere(config))
    raise TrainerError(
        mismatch(
            "base-not-converted",
            f"{path} is one file, and pictures are drawn from a folder.",
            f"the folder {run / CONVERTED}, which training makes of it",
            "none",
            f"dreamboot convert {quoted(path)} FOLDER, then --pretrained_model_name_or_path FOLDER",
        )
    )
