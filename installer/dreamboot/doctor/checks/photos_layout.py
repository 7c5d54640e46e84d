"""The photo folder has the layout that kohya's scripts want."""

# ruff: noqa: E501 - sentences and commands are kept whole

from __future__ import annotations

from dreamboot.doctor.check import Case, Check, Outcome, info, manual, ok, warning
from dreamboot.doctor.facts.values import Facts, PhotoFolder
from dreamboot.model import Status


def applies(facts: Facts) -> bool:
    """Photo folders were given."""
    return bool(facts.photos)


def run(facts: Facts) -> Outcome:
    """Images in N_name folders; directly in the folder is what dreamboot and diffusers want."""
    for folder in facts.photos:
        if folder.reversed_names:
            return warning(
                "The folders are in the wrong order.",
                f"{folder.reversed_names[0]}: the number belongs to the folder that holds the images.",
                manual(
                    f"mv {folder.reversed_names[0]}/* {folder.reversed_names[0]}/..", "puts the images one level up"
                ),
            )
        if folder.direct and not folder.numbered:
            return info(
                f"{folder.path}: {folder.direct} images lie directly in it, as dreamboot and diffusers want; kohya wants them in 10_name folders below"
            )
    return ok("numbered folders, as kohya wants")


CHECK = Check(
    id="photos-layout",
    area="dataset",
    why="kohya's train_data_dir is the parent of numbered folders: 'No data found' otherwise.",
    run=run,
    applies=applies,
    cases=("ds-no-data", "ds-reversed"),
    examples=(
        Case(facts=Facts(photos=(PhotoFolder(path="/d", numbered=12),)), expect=Status.OK),
        Case(facts=Facts(photos=(PhotoFolder(path="/d", direct=12),)), expect=Status.INFO),
        Case(
            facts=Facts(photos=(PhotoFolder(path="/d", reversed_names=("/d/10_girl/images",)),)), expect=Status.WARNING
        ),
    ),
)
