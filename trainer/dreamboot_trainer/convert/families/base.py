"""What a family says about itself: its parts, their names in the original file, and what only that file has."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from dreamboot_trainer.convert.config import Config
from dreamboot_trainer.convert.pairs import Pair


@dataclass(frozen=True)
class Extra:
    """A tensor of the original file that has no place in a diffusers folder.

    Written with its own bytes where they were kept (see extras.py), else with `content`, or as a copy of the tensor
    `copy_of` (also an original name). `dtype` empty = the format of the model's weights. `kept`: whether from_original
    keeps the tensor beside the folder.
    """

    original: str
    shape: tuple[int, ...]
    why: str
    dtype: str = ""
    content: Callable[[], bytes] | None = None
    copy_of: str = ""
    kept: bool = True


def _unchanged(name: str) -> str:
    return name


def _no_extras(_: Config) -> tuple[Extra, ...]:
    return ()


@dataclass(frozen=True)
class Component:
    """One folder of a diffusers model, and where its tensors are in the original file."""

    folder: str
    stem: str
    prefix: str
    pairs: Callable[[Config], tuple[Pair, ...]]
    canonical_diffusers: Callable[[str], str] = _unchanged
    canonical_original: Callable[[str], str] = _unchanged
    extras: Callable[[Config], tuple[Extra, ...]] = _no_extras
    has_ema: bool = False

    def prefixed_pairs(self, config: Config) -> tuple[Pair, ...]:
        """The pairs with whole original names."""
        return tuple(pair.under(self.prefix) for pair in self.pairs(config))


@dataclass(frozen=True)
class Family:
    """One family: `marks` are names of which at least one is in every original file of it, and in no other family's."""

    name: str
    title: str
    components: tuple[Component, ...]
    marks: tuple[str, ...]
    architecture: str
    has_schedule: bool
    tokenizers: tuple[str, ...]

    def component(self, folder: str) -> Component:
        """The component in this folder."""
        return next(part for part in self.components if part.folder == folder)
