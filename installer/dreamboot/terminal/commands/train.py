"""`dreamboot train`: settings of the trainer are flags here, so unknown options are handed on."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Iterator, List, Tuple, Union

from dreamboot.app.context import Context
from dreamboot.model import DreambootError, Event, ExitCode, Problem, Report
from dreamboot.terminal.options import add_environment

HELP = "train with a configuration file and/or flags"
TAKES_UNKNOWN_OPTIONS = True


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Its options."""
    add_environment(parser)
    parser.add_argument("--config", type=Path, metavar="FILE", help="a config.toml, as every run folder holds one")
    parser.add_argument("--output", type=Path, metavar="FOLDER", help="the run folder")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="one setting of the trainer")
    parser.add_argument("--in-image", metavar="TAG", help="in a container of this image, with this machine's GPU")
    parser.epilog = "Every setting of the trainer is a flag too: --learning-rate 2e-6, --max-train-steps 400 ..."


def run(args: argparse.Namespace, context: Context) -> Iterator[Union[Event, Report]]:
    """Train."""
    settings = (*args.set, *settings_from(args.unknown))
    if args.in_image:
        from dreamboot.app.image_run import train_in_image

        yield from train_in_image(context, args.in_image, config=args.config, settings=settings, output=args.output)
        return
    from dreamboot.app.image_inside import take_environment
    from dreamboot.app.train import train

    yield from take_environment(context)
    yield from train(context, config=args.config, settings=settings, environment=args.env, output=args.output)


def settings_from(words: List[str]) -> Tuple[str, ...]:
    """`--learning-rate 2e-6 --hflip` → ("learning_rate=2e-6", "hflip=true"). The trainer knows which keys exist."""
    settings: List[str] = []
    for word in words:
        if word.startswith("--"):
            key, _, inline = word[2:].partition("=")
            settings.append(f"{key.replace('-', '_')}={inline or 'true'}")
        elif settings and settings[-1].endswith("=true"):
            settings[-1] = settings[-1][: -len("true")] + word
        else:
            problem = Problem(id="usage", what=f"Stray word: {word}", hint="dreamboot train --help")
            raise DreambootError(problem, exit_code=ExitCode.USAGE)
    return tuple(settings)


def render(report: Report) -> str:
    """Where the results are."""
    return "\n".join(report.messages)
