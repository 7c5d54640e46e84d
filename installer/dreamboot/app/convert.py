"""Convert: the trainer's converter, run in an environment."""

from __future__ import annotations

import json
from typing import Iterator, Sequence, Union

from dreamboot.app.context import Context
from dreamboot.app.environment import plan_of
from dreamboot.building import generations
from dreamboot.building.layout import Layout
from dreamboot.launching import trainer
from dreamboot.model import DreambootError, Event, EventKind, Problem, Report

# Tens of GB from a slow disk to itself.
SECONDS = 4 * 3600.0


def convert(context: Context, arguments: Sequence[str], environment: str) -> Iterator[Union[Event, Report]]:
    """Hand `arguments` to the trainer's `convert`; its report is ours."""
    layout = Layout(home=context.home)
    built = generations.require(context.host, layout, environment)
    place = trainer.place_trainer(context.host, layout)
    variables = trainer.trainer_environment(context.host, place, plan_of(context, built))
    flags = [*arguments, "--json", *(["--dry-run"] if context.dry_run else []), *(["--yes"] if context.yes else [])]
    yield Event(kind=EventKind.STARTED, stage="convert", message=" ".join(arguments))
    done = context.host.run(trainer.direct_command(built, ["convert", *flags]), env=variables, timeout=SECONDS)
    try:
        data = json.loads(done.stdout)
    except ValueError:
        data = {}
    if not done.ok:
        told = data.get("problem") or {}
        problem = Problem(
            id=str(told.get("id", "convert-failed")),
            what=str(told.get("what", "The conversion failed.")),
            cause=str(told.get("cause", " ".join((done.stderr or done.stdout).split()[-60:]))),
            hint=str(told.get("hint", "dreamboot convert --help")),
        )
        raise DreambootError(problem)
    yield Report(command="convert", data=data)
