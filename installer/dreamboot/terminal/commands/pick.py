"""`dreamboot pick [RUN]`."""

from __future__ import annotations

import argparse
from typing import Iterator, List, Union

from dreamboot.app.context import Context
from dreamboot.model import Event, Report
from dreamboot.terminal.options import add_environment, add_run, count

HELP = "measure the models that a run has kept, and name the best one"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Its options."""
    add_environment(parser)
    add_run(parser)
    parser.add_argument("--dino", metavar="FOLDER", help="a DINO ViT, such as facebook/dino-vits16")
    parser.add_argument("--clip", metavar="FOLDER", help="a CLIP model, such as openai/clip-vit-base-patch32")
    parser.add_argument("--lpips", metavar="FOLDER", help="VGG16's weights and those of LPIPS")
    parser.add_argument("--pictures", type=count, metavar="N", help="pictures per prompt and model (8)")


def run(args: argparse.Namespace, context: Context) -> Iterator[Union[Event, Report]]:
    """Pick."""
    from dreamboot.app.image_inside import take_environment
    from dreamboot.app.pick import pick

    words: List[str] = []
    for name in ("dino", "clip", "lpips", "pictures"):
        words += [f"--{name}", str(getattr(args, name))] if getattr(args, name) else []
    yield from take_environment(context)
    yield from pick(context, args.run, words, args.env)


def render(report: Report) -> str:
    """The trainer's own words: a row per model, what the columns mean, and where the best one is."""
    from dreamboot.terminal.draw import as_typed

    return "\n".join(as_typed(line) for line in report.data.get("lines", report.messages))
