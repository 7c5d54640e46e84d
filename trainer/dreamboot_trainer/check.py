"""Everything that can be checked about a run without torch, in one report."""

from __future__ import annotations

from pathlib import Path

from dreamboot_trainer.checks import Checked
from dreamboot_trainer.checks.model import check_model, check_vae
from dreamboot_trainer.checks.photos import check_class_images, check_photos
from dreamboot_trainer.checks.space import check_space
from dreamboot_trainer.config import Config
from dreamboot_trainer.data.concepts import model_path, subjects
from dreamboot_trainer.problems import Problem, TrainerError


def check(config: Config, run: Path) -> Checked:
    """Configuration, model, photos, disk. Writes nothing."""
    report = _consistency(config)
    try:
        concepts = subjects(config, run)
    except TrainerError as error:
        report += Checked(problems=error.problems)
        concepts = ()
    for subject in concepts:
        report += check_photos(subject.instance_dir, config.data.resolution)
        if subject.class_dir is not None:
            report += check_class_images(subject.class_dir)
    model = model_path(config)
    found = check_model(model)
    report += found
    if config.model.pretrained_vae_name_or_path:
        report += check_vae(Path(config.model.pretrained_vae_name_or_path).expanduser(), model)
    if not found.problems:
        report += check_space(config, model, run)
    return report


def _consistency(config: Config) -> Checked:
    faults = []
    if config.data.resolution % 8:
        side = config.data.resolution // 8 * 8
        faults.append(_fault("resolution", "a multiple of 8", str(config.data.resolution), f"--set resolution={side}"))
    if config.data.cache_latents and not config.data.center_crop:
        faults.append(_fault("center_crop", "true while latents are cached", "false", "--set cache_latents=false"))
    return Checked(problems=tuple(faults))


def _fault(name: str, expected: str, found: str, hint: str) -> Problem:
    return Problem(
        id="config-wrong-value",
        what=f"The configuration has a wrong value for {name}.",
        cause=f"Expected {expected}; found {found}.",
        hint=hint,
    )
