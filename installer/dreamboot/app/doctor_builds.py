"""Builds in this home that were begun and not finished, and that nobody is at right now."""

from __future__ import annotations

from typing import Tuple

from dreamboot.app.context import Context
from dreamboot.building import generations
from dreamboot.building.layout import EnvironmentLayout, Layout
from dreamboot.doctor.facts.values import UnfinishedBuild


def unfinished_builds(context: Context) -> Tuple[UnfinishedBuild, ...]:
    """One for each environment whose newest generation was not verified."""
    layout = Layout(home=context.home)
    found = []
    for name in sorted(context.host.list_dir(layout.environments)):
        environment = layout.environment(name)
        known = generations.numbers(context.host, environment)
        if not known or generations.is_complete(context.host, environment, known[-1]):
            continue
        if _at_work(context, environment):
            continue
        used = generations.current_number(context.host, environment)
        found.append(
            UnfinishedBuild(environment=name, generation=known[-1], in_use=used if used != known[-1] else None)
        )
    return tuple(found)


def _at_work(context: Context, environment: EnvironmentLayout) -> bool:
    """Whether the process that holds the environment lives; one that was killed leaves its number behind."""
    import psutil

    number = (context.host.read_text(environment.holder) or "").partition(" ")[0]
    return number.isascii() and number.isdigit() and len(number) < 10 and bool(psutil.pid_exists(int(number)))
