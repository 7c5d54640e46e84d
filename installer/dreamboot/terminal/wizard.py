"""The questions of `dreamboot up`: at most four here and the final yes, each with a detected default."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any, Optional

from dreamboot.app import photos
from dreamboot.app.up import DEFAULT_MODEL, RARE_WORD, Subject

DEMO_CHOICE = "The built-in demo: a small model learns a drawn character (a few minutes, no model download)"
OWN_CHOICE = "My own photos"


def ask(given: Subject) -> Subject:
    """Ask for what the arguments leave open. Raises KeyboardInterrupt when the person leaves."""
    import questionary

    if given.photos is None:
        what = _answer(questionary.select("What should the model learn?", choices=[DEMO_CHOICE, OWN_CHOICE]))
        if what == DEMO_CHOICE:
            return given
        path = questionary.path(
            "Folder with 5 to 30 photos of one subject:", only_directories=True, validate=photos_fault
        )
        given = dataclasses.replace(given, photos=folder_of(_answer(path)))
    if not given.class_noun:
        noun = questionary.text(
            "What is it? A plain noun:", default=guess_noun(given.photos), validate=lambda text: bool(text.strip())
        )
        given = dataclasses.replace(given, class_noun=_answer(noun).strip())
    if not given.model:
        model = questionary.text("Base model (a model id, folder or checkpoint file):", default=DEFAULT_MODEL)
        given = dataclasses.replace(given, model=_answer(model).strip() or DEFAULT_MODEL)
    return given


def photos_fault(text: str) -> bool | str:
    """True, or what is wrong with a folder of photos."""
    folder = folder_of(text)
    if not folder.is_dir():
        return "There is no such folder."
    if not photos.among(path.name for path in folder.iterdir()):
        return "There are no images in it (.jpg, .png, .webp ...)."
    return True


def folder_of(text: str) -> Path:
    """A path as typed; terminals paste a folder that was dragged into them in quotes."""
    return Path(text.strip().strip("'\"").strip()).expanduser()


def guess_noun(photos: Optional[Path]) -> str:
    """The folder's name may say it: "sks_dog", "my dog", "photos of dog" → "dog". "rex" is a name, no noun: ""."""
    words = (photos.name if photos else "").replace("_", " ").replace("-", " ").lower().split()
    said = len(words) > 1 and words[0] in (RARE_WORD, "my", "photos", "images", "pictures")
    return words[-1] if said and words[-1].isalpha() and words[-1] not in ("of", "my") else ""


def _answer(question: Any) -> str:
    answer = question.ask()
    if answer is None:
        raise KeyboardInterrupt
    return str(answer)
