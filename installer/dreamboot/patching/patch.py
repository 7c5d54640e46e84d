"""What a patch is: a header that says for whom and why, and effects on files. Knows no project by name."""

from __future__ import annotations

from dataclasses import field
from typing import Mapping, Tuple, Union

from dreamboot.values import value


@value
class Hunk:
    """One place of a file. Lines keep their line ends; `old_start` counts from 1."""

    number: int
    old_start: int
    old: Tuple[str, ...]
    new: Tuple[str, ...]


@value
class ReplaceText:
    """Change a text file by its hunks."""

    path: str
    hunks: Tuple[Hunk, ...]


@value
class CreateFile:
    """Make a new text file."""

    path: str
    text: str


@value
class DeleteFile:
    """Remove a text file whose whole content the patch states."""

    path: str
    text: str


@value
class CopyFromWheel:
    """Take one file out of a wheel; both are bound to their sha256."""

    path: str
    wheel: str
    member: str
    sha256: str


Effect = Union[ReplaceText, CreateFile, DeleteFile, CopyFromWheel]


@value
class Wheel:
    """A wheel that a patch takes files from: the requirement that finds it, and the only content that is accepted."""

    requirement: str
    sha256: str


@value
class Target:
    """Whom a patch is for. `conditions`: words of `applicable.WORDS`; all must hold."""

    distribution: str
    versions: str
    conditions: Tuple[str, ...] = ()


@value
class Patch:
    """One file of the shelf.

    `hashes`: path → sha256 of the original. `verify`: a Python statement that must run afterwards. `remove_when`:
    distribution and versions that no longer need it. `sha256`: of the patch file itself.
    """

    name: str
    description: str
    target: Target
    effects: Tuple[Effect, ...]
    sha256: str
    why: str = ""
    wheels: Tuple[Wheel, ...] = ()
    hashes: Mapping[str, str] = field(default_factory=dict)
    sources: Tuple[str, ...] = ()
    remove_when: str = ""
    verify: str = ""

    @property
    def paths(self) -> Tuple[str, ...]:
        """Every file that it touches."""
        return tuple(effect.path for effect in self.effects)
