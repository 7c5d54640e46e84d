"""`dreamboot test`."""

from __future__ import annotations

import argparse
from typing import Iterator, Union

from dreamboot.app.context import Context
from dreamboot.model import Event, Report

HELP = "run the project's own tests (from a checkout)"
TAKES_UNKNOWN_OPTIONS = True


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Its options; everything else, paths too, goes to pytest in the order in which it was typed."""
    parser.add_argument(
        "--fast", action="store_true", help="leave out tests that build environments or train for minutes"
    )


def run(args: argparse.Namespace, context: Context) -> Iterator[Union[Event, Report]]:
    """Test."""
    from dreamboot.app.test import test

    yield from test(context, args.unknown, fast=args.fast)


def render(report: Report) -> str:
    """pytest has said it all; what it left to say is nothing."""
    return "\n".join(report.messages)
