"""Is there room and permission for what the run will write?"""

from __future__ import annotations

import math
import shutil
import tempfile
from pathlib import Path

from dreamboot_trainer.checks import Checked
from dreamboot_trainer.config import Config
from dreamboot_trainer.families import Family, family_of
from dreamboot_trainer.model_folder import ModelFolder, count_parameters, read_folder, tensor_shapes, weight_files
from dreamboot_trainer.problems import Problem, TrainerError

_STATE_BYTES = {
    "adamw8bit": 2.1, "paged_adamw8bit": 2.1, "ademamix8bit": 3.1, "lion": 4, "lion8bit": 1.1, "paged_lion8bit": 1.1,
    "adafactor": 0.1, "prodigy": 16, "sgd": 4,
}  # fmt: skip
"""Bytes of optimizer state per weight: moments of 8 or 32 bits and their scales. Adam: two moments of 32 bits."""
_SAVED_BYTES = {"fp16": 2, "bf16": 2, "fp32": 4}
_MARGIN = 64 * 2**20
"""Bytes for events, samples and plots, and for the file system's own use."""


def check_space(config: Config, model: Path, run: Path) -> Checked:
    """The run folder can be written, and its disk holds the class images, checkpoints and the model."""
    try:
        needed = bytes_needed(config, model)
    except TrainerError as error:
        return Checked(problems=error.problems)
    return Checked(problems=_writable(run) or _room(run, needed))


def bytes_needed(config: Config, model: Path) -> int:
    """Bytes that a whole run writes, from the model's headers and the configuration."""
    if model.is_file():
        size = model.stat().st_size
        trained, everything = size // 2, size // 2
    else:
        folder = read_folder(model)
        family = family_of(folder)
        counts = {
            part.name: count_parameters(folder.part(part.name))
            for part in family.components
            if part.weights and part.name in folder.parts
        }
        trained, everything = counts[family.denoiser], sum(counts.values())
        if config.training.train_text_encoder:
            trained += sum(counts.get(name, 0) for name in family.text_encoders)
        if config.training.method == "lora":
            trained = everything = min(trained, adapter_parameters(config, folder, family))
    kept = 1 + _saves(config)
    saved = everything * _SAVED_BYTES[config.output.save_precision] * kept
    saved += everything * 2 * config.output.save_original
    images = config.prior.num_class_images * config.data.resolution**2 * 2 * config.prior.with_prior_preservation
    return int(saved + images + checkpoint_bytes(config, trained) * _checkpoints(config)) + _MARGIN


def adapter_parameters(config: Config, folder: ModelFolder, family: Family) -> int:
    """Weights of a LoRA, from the shapes of the layers that get one; those in text encoders count as a fifth more."""
    ends = tuple(f".{target}.weight" for target in family.lora_targets)
    shapes = (
        shape
        for path in weight_files(folder.part(family.denoiser))
        if path.suffix == ".safetensors"
        for name, (_, shape) in tensor_shapes(path).items()
        if name.endswith(ends) and len(shape) == 2
    )
    found = sum(config.lora.lora_rank * (shape[0] + shape[1]) for shape in shapes)
    # Joined layers (convert/lora/fused.py) take up to four times the place.
    return int(found * 1.2 * (4 if family.flow else 1)) or count_parameters(folder.part(family.denoiser))


def checkpoint_bytes(config: Config, trained: int) -> int:
    """Bytes of one checkpoint with `trained` weights in float32, their average where there is one, and the
    optimizer's state.
    """
    each = 4 + 4 * config.training.use_ema + _STATE_BYTES.get(config.optimizer.optimizer, 8)
    return int(trained * each)


def require_room(folder: Path, needed: int, kept: str) -> None:
    """TrainerError when the disk under `folder` has less than `needed` bytes free; `kept` says what is safe."""
    faults = _room(folder, needed, kept)
    if faults:
        raise TrainerError(*faults)


def existing_parent(path: Path) -> Path:
    """The nearest folder on the way up that exists."""
    return next(folder for folder in (path, *path.absolute().parents) if folder.is_dir())


def _checkpoints(config: Config) -> int:
    """Checkpoints on disk at once: those kept and the one being written."""
    made = math.ceil(config.training.max_train_steps / config.checkpoint.checkpointing_steps)
    limit = config.checkpoint.checkpoints_total_limit
    return min(made, limit + 1) if limit else made


def _saves(config: Config) -> int:
    """Models in saves/."""
    every, last = config.output.save_interval, config.training.max_train_steps
    return len(range(every, last, every)) - len(range(every, config.output.save_min_steps, every)) if every else 0


def _writable(run: Path) -> tuple[Problem, ...]:
    place = existing_parent(run)
    try:
        with tempfile.TemporaryFile(dir=place):
            return ()
    except OSError as error:
        return (
            Problem(
                id="run-not-writable",
                what=f"The run folder {run} cannot be written.",
                cause=f"Expected write permission in {place}; found: {error.strerror or error}.",
                hint="Choose another folder: --set output_dir=FOLDER",
            ),
        )


def _room(run: Path, needed: int, kept: str = "") -> tuple[Problem, ...]:
    place = existing_parent(run)
    free = shutil.disk_usage(place).free
    if free >= needed:
        return ()
    return (
        Problem(
            id="disk-full",
            what=f"There is not enough disk space in {place}." + (f" {kept}" if kept else ""),
            cause=f"Expected {needed / 1e9:.2f} GB; found {free / 1e9:.2f} GB free.",
            hint="Free some space, or choose another disk: --set output_dir=FOLDER",
        ),
    )
