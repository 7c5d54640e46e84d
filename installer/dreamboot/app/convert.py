"""Convert: the trainer's converter, run in an environment."""

from __future__ import annotations

from typing import Iterator, Sequence, Union

from dreamboot.app.ask_trainer import ask_trainer
from dreamboot.app.context import Context
from dreamboot.model import Event, Report


def convert(context: Context, arguments: Sequence[str], environment: str) -> Iterator[Union[Event, Report]]:
    """Hand `arguments` to the trainer's `convert`; its report is ours."""
    flags = [*(["--dry-run"] if context.dry_run else []), *(["--yes"] if context.yes else [])]
    yield from ask_trainer(context, "convert", [*arguments, *flags], environment, " ".join(arguments))
