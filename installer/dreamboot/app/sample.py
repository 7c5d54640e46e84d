"""Sample: pictures from a trained model, whenever they are wished."""

from __future__ import annotations

from pathlib import Path
from typing import Iterator, Optional, Sequence, Union

from dreamboot.app.ask_trainer import ask_trainer
from dreamboot.app.context import Context
from dreamboot.app.runs import config_of, free_name
from dreamboot.building.layout import Layout
from dreamboot.model import Event, Report

# Where pictures go when nobody says where.
FOLDER = "pictures"


def sample(
    context: Context, run: str, arguments: Sequence[str], out: Optional[Path], environment: str
) -> Iterator[Union[Event, Report]]:
    """Draw with the run's model; `arguments` go to the trainer's `sample`."""
    config = config_of(context.host, Layout(home=context.home), run)
    place = out or free_name(context.host, config.parent / FOLDER)
    if context.dry_run:
        data = {"schema": 1, "config": str(config), "path": str(place)}
        yield Report(command="sample", data=data, messages=(f"Would draw with the model of {config.parent}.",))
        return
    context.host.make_dir(place.absolute().parent)
    # The folder is told: a run may have been moved.
    words = ["--config", str(config), "--set", f"output_dir={config.parent}", "--out", str(place), *arguments]
    yield from ask_trainer(context, "sample", words, environment, str(config.parent))
