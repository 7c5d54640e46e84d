"""Training starts over in a folder that was used: nothing of the earlier training may pass for the new one's."""

from __future__ import annotations

from pathlib import Path

from dreamboot_trainer.context import Context
from dreamboot_trainer.events import OVER
from dreamboot_trainer.problems import TrainerError, mismatch
from dreamboot_trainer.report import FIDELITY

EARLIER = "earlier"
_OF_A_TRAINING = ("checkpoints", "samples", "saves", "plots", FIDELITY)
"""What is named by its step or grows on the way. The model and the report stay until the new ones replace them."""


def start_over(context: Context) -> None:
    """Move what an earlier training has left into a folder of its own, by the main process, and say so."""
    if context.main:
        found = [context.run / name for name in _OF_A_TRAINING if (context.run / name).exists()]
        place = _next(context.run / EARLIER)
        if found:
            _move(found, place)
        message = f"Starts over; the earlier training is kept in {place}" if found else "Starts from the first step"
        context.events.line("train", message, **{OVER: True})
    context.wait()


def _next(folder: Path) -> Path:
    taken = [int(item.name) for item in folder.iterdir() if item.name.isdigit()] if folder.is_dir() else []
    return folder / str(max(taken, default=0) + 1)


def _move(found: list[Path], place: Path) -> None:
    try:
        place.mkdir(parents=True)
        for path in found:
            path.rename(place / path.name)
    except OSError as error:
        raise TrainerError(
            mismatch(
                "cannot-write",
                f"What an earlier training has left could not be moved to {place}.",
                "permission to write",
                error.strerror or error,
                "--set output_dir=NEW_FOLDER",
            )
        ) from error
