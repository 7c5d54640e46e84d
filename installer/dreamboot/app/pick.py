"""Pick: which of the models that a run has kept is the best one."""

from __future__ import annotations

from typing import Iterator, Sequence, Union

from dreamboot.app.ask_trainer import ask_trainer
from dreamboot.app.context import Context
from dreamboot.app.runs import config_of
from dreamboot.building.layout import Layout
from dreamboot.model import Event, Report


def pick(context: Context, run: str, arguments: Sequence[str], environment: str) -> Iterator[Union[Event, Report]]:
    """Measure the run's models; `arguments` go to the trainer's `pick`."""
    config = config_of(context.host, Layout(home=context.home), run)
    if context.dry_run:
        data = {"schema": 1, "config": str(config)}
        yield Report(command="pick", data=data, messages=(f"Would measure the models of {config.parent}.",))
        return
    # The folder is told: a run may have been moved.
    words = ["--config", str(config), "--set", f"output_dir={config.parent}", *arguments]
    yield from ask_trainer(context, "pick", words, environment, str(config.parent))
