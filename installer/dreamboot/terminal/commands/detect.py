"""`dreamboot detect`: what this machine is."""

from __future__ import annotations

import argparse
from typing import Any, Iterator, Union

from dreamboot.app.context import Context
from dreamboot.model import Event, Report

HELP = "what this machine is"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """None of its own: `--assume`, `--offline` and `--json` are common to all commands."""


def run(args: argparse.Namespace, context: Context) -> Iterator[Union[Event, Report]]:  # noqa: ARG001 - of all commands
    """The use case."""
    from dreamboot.app.detect import detect

    return detect(context)


def render(report: Report) -> Any:
    """A table for people."""
    import json

    return json.dumps(report.data, indent=1)
