"""`dreamboot predict`."""

from __future__ import annotations

import argparse
from typing import Iterator, List, Union

from dreamboot.app.context import Context
from dreamboot.model import Event, Report
from dreamboot.terminal.options import add_environment, config_file, settings_from

HELP = "how much video memory a training run would take, and what makes it fit"
TAKES_UNKNOWN_OPTIONS = True


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Its options; others are settings of the trainer."""
    add_environment(parser)
    parser.add_argument("--family", choices=("sd1", "sd2", "sdxl", "sd3", "flux"), help="a published model")
    parser.add_argument("--config", type=config_file, metavar="FILE", help="a config.toml, or a run folder")
    parser.add_argument(
        "--vram", metavar="SIZE",
        help="free video memory (12GB, 12GiB, 12000MiB; a number alone is MiB): name the cheapest settings that fit",
    )  # fmt: skip
    parser.epilog = "Settings of the trainer are flags too: --method lora, --resolution 768 ..."


def run(args: argparse.Namespace, context: Context) -> Iterator[Union[Event, Report]]:
    """Predict."""
    from dreamboot.app.ask_trainer import ask_trainer
    from dreamboot.app.image_inside import take_environment

    words: List[str] = ["--as-flags"]
    for name in ("family", "config", "vram"):
        words += [f"--{name}", str(getattr(args, name))] if getattr(args, name) else []
    for setting in settings_from(args.unknown, "predict"):
        words += ["--set", setting]
    yield from take_environment(context)
    yield from ask_trainer(context, "predict", words, args.env)


def render(report: Report) -> str:
    """The trainer's own words: what was asked for, what fits, and the peak by moments and parts."""
    return "\n".join(report.data["lines"])
