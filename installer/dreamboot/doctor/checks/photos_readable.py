"""The photos are images, and are what their names say."""

# ruff: noqa: E501 - sentences and commands are kept whole

from __future__ import annotations

from dreamboot.doctor.check import Case, Check, Outcome, error, manual, ok, warning
from dreamboot.doctor.facts.values import Facts, PhotoFolder
from dreamboot.model import Status


def applies(facts: Facts) -> bool:
    """Photo folders were given."""
    return bool(facts.photos)


def run(facts: Facts) -> Outcome:
    """By their first and last bytes."""
    for folder in facts.photos:
        if folder.not_images:
            return error(
                "A file among the photos is no image.",
                f"{folder.not_images[0]} ({len(folder.not_images)} in all): often a web page that was saved as an image.",
                manual(f"mv {folder.not_images[0]} /tmp/", "takes the file out"),
            )
        if folder.cut:
            return error(
                "A photo is cut off.",
                f"{folder.cut[0]} ends too early ({len(folder.cut)} in all).",
                manual(f"mv {folder.cut[0]} /tmp/", "takes the file out"),
            )
    for folder in facts.photos:
        if folder.mislabelled:
            return warning(
                "A photo is of another type than its name says.",
                f"{folder.mislabelled[0]} ({len(folder.mislabelled)} in all).",
                manual(f"convert {folder.mislabelled[0]} NEW.png", "writes it anew (ImageMagick)"),
            )
    return ok("the photos look whole")


CHECK = Check(
    id="photos-readable",
    area="dataset",
    why="One bad file stops a training after an hour of caching.",
    run=run,
    applies=applies,
    cases=("ds-mislabelled-ext", "ds-unidentified"),
    examples=(
        Case(facts=Facts(photos=(PhotoFolder(path="/d", direct=5),)), expect=Status.OK),
        Case(facts=Facts(photos=(PhotoFolder(path="/d", direct=5, not_images=("/d/a.png",)),)), expect=Status.ERROR),
        Case(facts=Facts(photos=(PhotoFolder(path="/d", direct=5, mislabelled=("/d/a.png",)),)), expect=Status.WARNING),
    ),
)
