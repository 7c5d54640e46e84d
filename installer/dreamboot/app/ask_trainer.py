"""Commands of the trainer that train nothing: they are run in an environment, and their answer is ours."""

from __future__ import annotations

import json
import re
from typing import Any, Dict, Iterator, List, Mapping, Sequence, Union

from dreamboot.app.context import Context
from dreamboot.app.environment import plan_of
from dreamboot.app.train import named
from dreamboot.app.trainer_answers import problem_of
from dreamboot.building import generations
from dreamboot.building.layout import Layout
from dreamboot.host.base import ProgramFailed
from dreamboot.launching import trainer
from dreamboot.launching.follow import parse_event
from dreamboot.model import DreambootError, Event, EventKind, Problem, Report

# How argparse ends.
_USAGE = re.compile(r"dreamboot\S* \S+: error: (.*)")


def ask_trainer(
    context: Context, command: str, arguments: Sequence[str], environment: str, about: str = ""
) -> Iterator[Union[Event, Report]]:
    """Run the trainer's `command` with `--json`; its events are handed on, its answer is the report's.

    `about`: what a person is told that it works on.
    Raises `DreambootError` with the trainer's own Problem.
    """
    layout = Layout(home=context.home)
    built = generations.require(context.host, layout, environment)
    place = trainer.place_trainer(context.host, layout)
    variables = trainer.trainer_environment(context.host, place, plan_of(context, built))
    line = trainer.direct_command(built, [command, *arguments, "--json"])
    yield Event(kind=EventKind.STARTED, stage=command, message=about)
    said: List[str] = []
    failed = False
    try:
        for text in context.host.stream(line, env=variables):
            event = parse_event(text)
            if event is None:
                said.append(text)
            else:
                yield event
    except ProgramFailed:
        failed = True
    answer = _answer(said)
    if failed or not answer:
        raise DreambootError(_problem(command, answer, said))
    yield Report(command=command, data=answer)


def _answer(lines: Sequence[str]) -> Dict[str, Any]:
    """The last line that is a JSON object: libraries may print before it, and after."""
    for line in reversed(lines):
        try:
            found = json.loads(line)
        except ValueError:
            continue
        if isinstance(found, dict):
            return found
    return {}


def _problem(command: str, answer: Mapping[str, Any], said: Sequence[str]) -> Problem:
    """The trainer's own, or of one that died without a word the cause that its last words show."""
    told = problem_of(answer)
    if told is not None:
        return told
    usage = _USAGE.match(said[-1]) if said else None
    died = Problem(
        id=f"{command}-failed",
        what=f"The trainer's command {command} failed.",
        cause=usage[1] if usage else f"Its last words: {' '.join(' '.join(said).split()[-60:]) or '(none)'}",
        hint=f"dreamboot {command} --help",
    )
    return named(died, "\n".join(said).encode())
