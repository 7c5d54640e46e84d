"""Whether a model is still the one that it was: paths may hold another one later, and the same one may be moved."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from dreamboot_trainer.model_folder import ModelFolder, weight_files

if TYPE_CHECKING:
    from dreamboot_trainer.families import Family

_WHOLE = 16 * 2**20
_PIECE = 2**18
_PIECES = 64
"""Files up to the first size are read whole. Of larger ones, where training changes the numbers everywhere, this many
pieces of the second size are enough to tell two apart, and 24 GB need no minute of reading."""


def digest_of_model(folder: ModelFolder, family: Family) -> str:
    """Changes with the weights, configs and tokenizers that the family uses, and not with where they lie."""
    digest = hashlib.sha256()
    for component in family.components:
        if component.name in folder.parts:
            for path in _files(folder.part(component.name)):
                digest.update(f"{component.name}/{path.name}\x1f{digest_of_file(path)}\x1f".encode())
    return digest.hexdigest()


def digest_of_file(path: Path) -> str:
    """Of a file's size and of its bytes, or of pieces from all over a large one."""
    size = path.stat().st_size
    digest = hashlib.sha256(f"{size}\x1f".encode())
    with path.open("rb") as file:
        if size <= _WHOLE:
            digest.update(file.read())
            return digest.hexdigest()
        for piece in range(_PIECES):
            file.seek((size - _PIECE) * piece // (_PIECES - 1))
            digest.update(file.read(_PIECE))
    return digest.hexdigest()


def _files(folder: Path) -> Iterator[Path]:
    weights = weight_files(folder)
    others = (path for path in folder.iterdir() if path.suffix in {".json", ".txt", ".model"} and path.is_file())
    yield from sorted({*weights, *others}, key=lambda path: path.name)
