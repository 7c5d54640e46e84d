"""`dreamboot up`."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Iterator, Union

from dreamboot.app.context import Context
from dreamboot.model import Event, EventKind, Report
from dreamboot.terminal.commands.build import bandwidth
from dreamboot.terminal.options import add_environment, add_wish, wish_from

HELP = "the whole way: detect, plan, build, configure, train, export"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Its options."""
    subject = parser.add_argument_group("what to teach (nothing given: the built-in demo)")
    subject.add_argument("--photos", type=Path, metavar="FOLDER", help="photos of one subject")
    subject.add_argument(
        "--class", dest="class_noun", default="", metavar="NOUN", help="what it is: dog, man, vase ..."
    )
    subject.add_argument("--token", default="sks", help="rare word that will name the subject (default: %(default)s)")
    subject.add_argument("--model", default="", help="base model: a folder, a checkpoint file or a model id")
    subject.add_argument("--output", type=Path, metavar="FOLDER", help="the run folder")
    subject.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="one setting of the trainer")
    add_environment(parser)
    add_wish(parser)
    parser.add_argument("--bandwidth", type=bandwidth, default=0, metavar="RATE", help="bytes per second: 500k, 5M")


def run(args: argparse.Namespace, context: Context) -> Iterator[Union[Event, Report]]:
    """Ask what can't be known (on a terminal), then go the whole way."""
    from dreamboot.app.up import Subject, up

    subject = Subject(
        photos=args.photos, class_noun=args.class_noun, token=args.token, model=args.model, output=args.output,
        settings=tuple(args.set),
    )  # fmt: skip
    if context.interactive:
        from dreamboot.terminal.wizard import ask

        subject = ask(subject)
    elif not context.yes:
        message = "No terminal to ask on: taking every default, as with --yes."
        yield Event(kind=EventKind.LINE, stage="ask", message=message, data={"important": True})
    yield from up(context, subject, wish_from(args), args.env, args.bandwidth)


def render(report: Report) -> str:
    """Where everything is."""
    data = report.data
    if "run" not in data:
        return "\n".join(report.messages)
    from dreamboot.terminal.draw import as_typed

    return "\n".join(("Done.", *(as_typed(line) for line in report.messages)))
