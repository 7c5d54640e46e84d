"""The photos of a run with their prompts, as one flat list per role."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

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


def fingerprint(items: Sequence[Item]) -> str:
    """A digest of names, contents and prompts: changes when a photo does."""
    digest = hashlib.sha256()
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
                    f"ls -l {item.path.parent}",
                )
            ) from error
        digest.update(f"{item.path.name}\x1f{item.prompt}\x1f{len(content)}\x1f".encode())
        digest.update(content)
    return digest.hexdigest()
