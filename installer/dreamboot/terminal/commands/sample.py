"""`dreamboot sample [RUN]`."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Iterator, List, Union

from dreamboot.app.context import Context
from dreamboot.model import Event, Report
from dreamboot.terminal.options import add_environment, add_run, count

HELP = "draw pictures with a trained model"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Its options."""
    add_environment(parser)
    add_run(parser)
    parser.add_argument("--prompt", action="append", default=[], metavar="TEXT", help="what to draw; may be repeated")
    parser.add_argument("--pictures", type=count, metavar="N", help="pictures of each prompt (4)")
    parser.add_argument("--model", metavar="FOLDER", help="a kept model, such as RUN/saves/step-000400")
    parser.add_argument("--out", type=Path, metavar="FILE", help="the PNG to write (RUN/pictures/001.png ...)")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="such as guidance_scale=5")


def run(args: argparse.Namespace, context: Context) -> Iterator[Union[Event, Report]]:
    """Draw."""
    from dreamboot.app.image_inside import take_environment
    from dreamboot.app.sample import sample

    words: List[str] = []
    for prompt in args.prompt:
        words += ["--prompt", prompt]
    for flag, text in (("--pictures", args.pictures), ("--model", args.model)):
        words += [flag, str(text)] if text else []
    for setting in args.set:
        words += ["--set", setting]
    yield from take_environment(context)
    yield from sample(context, args.run, words, args.out, args.env)


def render(report: Report) -> str:
    """Where the pictures are."""
    return "\n".join((*report.messages, str(report.data["path"])))
