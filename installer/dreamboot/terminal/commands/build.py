"""`dreamboot build`."""

from __future__ import annotations

import argparse
from typing import Iterator, Union

from dreamboot.app.context import Context
from dreamboot.model import Event, Report
from dreamboot.terminal.options import add_environment, add_wish, wish_from

HELP = "make the environment"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Its options."""
    add_environment(parser)
    add_wish(parser)


def run(args: argparse.Namespace, context: Context) -> Iterator[Union[Event, Report]]:
    """Build."""
    from dreamboot.app.build import build

    yield from build(context, wish_from(args), args.env)


def render(report: Report) -> str:
    """Where it is."""
    return "\n".join(report.messages)
