"""`dreamboot bundle`: everything for a machine without a network, in one folder."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Iterator, Union

from dreamboot.app.context import Context
from dreamboot.model import Event, Report
from dreamboot.terminal.commands.build import bandwidth
from dreamboot.terminal.options import add_wish, wish_from

HELP = "pack everything for a machine without a network"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The wish, and where to."""
    add_wish(parser)
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="DIR", help="a new folder")
    parser.add_argument("--bandwidth", type=bandwidth, default=0, metavar="RATE", help="bytes per second: 500k, 5M")


def run(args: argparse.Namespace, context: Context) -> Iterator[Union[Event, Report]]:
    """Pack."""
    from dreamboot.app.bundle import bundle

    yield from bundle(context, wish_from(args), args.output, args.bandwidth)


def render(report: Report) -> str:
    """Where it is, and the command to run there."""
    return "\n".join(report.messages)
