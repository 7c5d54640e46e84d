"""Everything that can be checked about a run without torch, in one report."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from dreamboot_trainer import hub, sharding
from dreamboot_trainer.checks import Checked
from dreamboot_trainer.checks.advice import advise
from dreamboot_trainer.checks.fits import check_fits
from dreamboot_trainer.checks.folders import check_folders
from dreamboot_trainer.checks.model import check_model, check_tokenizer, check_vae
from dreamboot_trainer.checks.photos import check_class_images, check_photos
from dreamboot_trainer.checks.space import check_space
from dreamboot_trainer.config import Config
from dreamboot_trainer.data.concepts import model_path, subjects
from dreamboot_trainer.duration import in_steps
from dreamboot_trainer.problems import Problem, TrainerError


def check(config: Config, run: Path) -> Checked:
    """Configuration, model, photos, disk. Writes nothing."""
    report = _consistency(config)
    try:
        concepts = subjects(config, run)
    except TrainerError as error:
        report += Checked(problems=error.problems)
        concepts = ()
    with suppress(TrainerError):  # a folder that is missing is named below
        config = in_steps(config, concepts, int(os.environ.get("WORLD_SIZE", "1")))
        report += advise(config, concepts)
    for subject in concepts:
        report += check_photos(subject.instance_dir, config.data.resolution, captions=config.data.captions)
        if subject.class_dir is not None:
            report += check_class_images(subject.class_dir)
    try:
        model = model_path(config)
    except TrainerError as error:
        return report + check_folders(concepts, None, run) + Checked(problems=error.problems)
    report += check_folders(concepts, model, run)
    found = check_model(model)
    report += found
    if config.model.pretrained_vae_name_or_path:
        report += check_vae(Path(config.model.pretrained_vae_name_or_path).expanduser(), model)
    if config.model.tokenizer_name:
        report += check_tokenizer(Path(config.model.tokenizer_name).expanduser())
    if not found.problems:
        report += check_fits(config, model)
        report += check_space(config, model, run)
    return report


def _consistency(config: Config) -> Checked:
    faults = []
    if config.data.resolution % 8:
        side = config.data.resolution // 8 * 8
        faults.append(_fault("resolution", "a multiple of 8", str(config.data.resolution), f"--set resolution={side}"))
    if config.data.cache_latents and not config.data.center_crop:
        faults.append(_fault("center_crop", "true while latents are cached", "false", "--set cache_latents=false"))
    if config.data.token_initializers and config.training.method != "full":
        hint = "--set method=full (an adapter has no place for a token's meaning)"
        faults.append(_fault("token_initializers", "none with method = lora", "some", hint))
    rates, both = config.optimizer, config.training.train_text_encoder
    if both and rates.optimizer == "prodigy" and rates.text_encoder_learning_rate not in (0, rates.learning_rate):
        # One distance is found for all weights: the library stops at the first step where rates differ.
        expected = f"0 or {rates.learning_rate:g}, the learning_rate, with optimizer = prodigy"
        hint = "--set text_encoder_learning_rate=0"
        faults.append(_fault("text_encoder_learning_rate", expected, f"{rates.text_encoder_learning_rate:g}", hint))
    faults += sharding.faults(config)
    output = config.output
    if output.push_to_hub and not hub.is_name(output.hub_model_id):
        faults.append(_fault("hub_model_id", "OWNER/NAME", repr(output.hub_model_id), "--set hub_model_id=me/my-dog"))
    elif output.push_to_hub and not hub.logged_in():
        faults.append(hub.login_missing(output.hub_model_id))
    return Checked(problems=tuple(faults))


def _fault(name: str, expected: str, found: str, hint: str) -> Problem:
    return Problem(
        id="config-wrong-value",
        what=f"The configuration has a wrong value for {name}.",
        cause=f"Expected {expected}; found {found}.",
        hint=hint,
    )
