"""`dreamboot convert SRC DST`."""

from __future__ import annotations

import argparse
from typing import Iterator, Union

from dreamboot.app.context import Context
from dreamboot.model import Event, Report
from dreamboot.terminal.options import add_environment

HELP = "original checkpoint <-> diffusers folder <-> LoRA file"
TAKES_UNKNOWN_OPTIONS = True


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Its options; others go to the converter."""
    add_environment(parser)
    parser.add_argument("source", help="a .safetensors or .ckpt file, a diffusers folder, or a run folder")
    parser.add_argument("target", help="what to write; a name that ends in .safetensors is a file, others are folders")
    parser.add_argument("--dtype", default="", help="fp16, fp32 or keep")
    parser.add_argument("--ema", action="store_true", help="take the EMA weights of the checkpoint")


def run(args: argparse.Namespace, context: Context) -> Iterator[Union[Event, Report]]:
    """Convert."""
    from dreamboot.app.convert import convert

    words = [
        args.source,
        args.target,
        *(["--dtype", args.dtype] if args.dtype else []),
        *(["--ema"] if args.ema else []),
    ]
    yield from convert(context, [*words, *args.unknown], args.env)


def render(report: Report) -> str:
    """What was written, in the trainer's own words."""
    return "\n".join(report.data["lines"])
