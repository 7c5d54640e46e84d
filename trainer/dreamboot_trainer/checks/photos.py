"""Are the photos there, whole, and large enough?"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path

from dreamboot_trainer import shell
from dreamboot_trainer.checks import Checked
from dreamboot_trainer.data.captions import caption_of
from dreamboot_trainer.data.photos import ENDINGS, check_size, list_photos, open_photo
from dreamboot_trainer.problems import Problem, TrainerError


def check_photos(folder: Path, resolution: int, *, captions: bool) -> Checked:
    """Every photo of an instance folder is decoded, its caption read with `captions`; an empty folder is a fault."""
    try:
        listing = list_photos(folder)
    except TrainerError as error:
        return Checked(problems=error.problems)
    notes = _ignored(folder, listing.ignored)
    if not listing.photos:
        found = ", ".join(path.name for path in listing.ignored[:5]) or "an empty folder"
        return Checked(
            problems=(
                Problem(
                    id="photos-folder-empty",
                    what=f"There are no photos in {folder}.",
                    cause=f"Expected files that end in {', '.join(sorted(ENDINGS))}; found {found}.",
                    hint=shell.bring("YOUR_PHOTOS", folder),
                ),
            ),
            notes=notes,
        )
    report = Checked(notes=notes) + _decode(listing.photos, resolution)
    return report + _captions(folder, listing.photos) if captions else report


def check_class_images(folder: Path) -> Checked:
    """A class folder may be missing or empty; images in it that cannot be read are not counted, with a note."""
    if not folder.exists():
        return Checked()
    try:
        listing = list_photos(folder)
    except TrainerError as error:
        return Checked(problems=error.problems)
    return Checked(notes=_ignored(folder, listing.ignored))


def _decode(photos: Iterable[Path], resolution: int) -> Checked:
    problems: list[Problem] = []
    notes: list[str] = []
    seen: dict[str, Path] = {}
    for path in photos:
        try:
            image = open_photo(path)
            check_size(path, image)
        except TrainerError as error:
            problems += error.problems
            continue
        if min(image.size) < resolution:
            notes.append(f"{path.name} is {image.width} x {image.height} and will be enlarged to {resolution}.")
        digest = hashlib.sha256(image.tobytes()).hexdigest()
        if digest in seen:
            notes.append(f"{path.name} and {seen[digest].name} show the same picture.")
        seen.setdefault(digest, path)
    return Checked(problems=tuple(problems), notes=tuple(notes))


def _captions(folder: Path, photos: Iterable[Path]) -> Checked:
    """Captions are read here, as nobody wants to learn of a broken one after the class images are made."""
    problems: dict[Problem, None] = {}
    said = False
    for path in photos:
        try:
            said = bool(caption_of(path)) or said
        except TrainerError as error:
            problems |= dict.fromkeys(error.problems)
    notes = () if said or problems else (f"No photo in {folder} has a caption, though captions = true.",)
    return Checked(problems=tuple(problems), notes=notes)


def _ignored(folder: Path, ignored: tuple[Path, ...]) -> tuple[str, ...]:
    if not ignored:
        return ()
    names = ", ".join(path.name for path in ignored[:5])
    return (f"{len(ignored)} file(s) in {folder} are no photos and are left out: {names}.",)
