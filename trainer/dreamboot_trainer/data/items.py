"""The photos of a run with their prompts, as one flat list per role."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from dreamboot_trainer import shell
from dreamboot_trainer.data.captions import caption_of
from dreamboot_trainer.data.concepts import Subject
from dreamboot_trainer.data.photos import list_photos
from dreamboot_trainer.problems import TrainerError, mismatch


@dataclass(frozen=True, kw_only=True, slots=True)
class Item:
    """One photo and the prompt that it is trained with."""

    path: Path
    prompt: str


def instance_items(subjects: Iterable[Subject], *, captions: bool) -> tuple[Item, ...]:
    """The photos of every concept with its instance prompt, or with `captions` their own where they have one."""
    return tuple(
        Item(path=path, prompt=(caption_of(path) if captions else None) or subject.instance_prompt)
        for subject in subjects
        for path in list_photos(subject.instance_dir).photos
    )


def fingerprints(items: Sequence[Item]) -> list[list[str]]:
    """Name, and digest of content and prompt, of each photo."""
    found = []
    for item in items:
        try:
            content = item.path.read_bytes()
        except OSError as error:
            raise TrainerError(
                mismatch(
                    "photo-missing",
                    f"The photo {item.path} is gone.",
                    "the file that was listed",
                    error.strerror,
                    shell.look(item.path.parent),
                )
            ) from error
        digest = hashlib.sha256(f"{item.prompt}\x1f".encode())
        digest.update(content)
        found.append([item.path.name, digest.hexdigest()])
    return found
