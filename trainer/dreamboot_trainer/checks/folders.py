"""Folders that a run writes into are not the user's own photos or model."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from dreamboot_trainer.checks import Checked
from dreamboot_trainer.data.concepts import Subject
from dreamboot_trainer.problems import Problem


def check_folders(concepts: Sequence[Subject], model: Path | None, run: Path) -> Checked:
    """Generated class images among the photos would be learnt as the subject; a run's files get lost among others."""
    faults = []
    for subject in concepts:
        if subject.class_dir is not None and _same(subject.class_dir, subject.instance_dir):
            faults.append(_fault("class_data_dir", "the photos", subject.instance_dir, "--set class_data_dir="))
        if _same(run, subject.instance_dir):
            faults.append(_fault("output_dir", "the photos", run, "--set output_dir=ANOTHER_FOLDER"))
    if model is not None and _same(run, model):
        faults.append(_fault("output_dir", "the base model", run, "--set output_dir=ANOTHER_FOLDER"))
    return Checked(problems=tuple(faults))


def _same(one: Path, other: Path) -> bool:
    return one.expanduser().resolve() == other.expanduser().resolve()


def _fault(key: str, what: str, folder: Path, hint: str) -> Problem:
    return Problem(
        id="folder-in-use",
        what=f"{key} is the folder of {what}.",
        cause=f"Expected a folder of its own; found {folder}, which the run would write into.",
        hint=hint,
    )
