"""`dreamboot build`."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Iterator, Union

from dreamboot.app.context import Context
from dreamboot.model import Event, Report
from dreamboot.terminal.options import add_environment, add_wish, wish_from

HELP = "make the environment"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Its options."""
    add_environment(parser)
    add_wish(parser)
    group = parser.add_argument_group("building")
    group.add_argument("--with", dest="extra", action="append", default=[], metavar="REQ", help="also install this")
    group.add_argument("--locked", type=Path, metavar="FILE", help="build exactly this pylock.toml")
    group.add_argument("--lock-only", action="store_true", help="make the lock, build nothing")
    group.add_argument("-o", "--output", type=Path, metavar="FILE", help="where --lock-only writes (default: shown)")
    group.add_argument("--image", nargs="?", const="", metavar="NAME", help="a container image instead: cpu, cu126 ...")
    group.add_argument("--tag", default="", help="what --image calls it (default: dreamboot:NAME)")
    group.add_argument("--for-image", action="store_true", help=argparse.SUPPRESS)  # the Dockerfile's own step
    group.add_argument("--bandwidth", type=bandwidth, default=0, metavar="RATE", help="bytes per second: 500k, 5M")


def bandwidth(text: str) -> int:
    """ "5M" → 5000000 bytes per second; raises ValueError (argparse says it) for anything else."""
    number, unit = (text[:-1], text[-1].lower()) if text[-1:].lower() in ("k", "m", "g") else (text, "")
    found = int(float(number) * {"": 1, "k": 1e3, "m": 1e6, "g": 1e9}[unit])
    if found <= 0:
        raise ValueError(text)
    return found


def run(args: argparse.Namespace, context: Context) -> Iterator[Union[Event, Report]]:
    """Build."""
    if args.image is not None:
        from dreamboot.app.image import build_image

        yield from build_image(context, wish_from(args), args.image, args.tag)
        return
    from dreamboot.app.build import Making, build

    making = Making(
        extra=tuple(args.extra), locked=args.locked, lock_only=args.lock_only, output=args.output,
        bandwidth=args.bandwidth, for_image=args.for_image,
    )  # fmt: skip
    yield from build(context, wish_from(args), args.env, making)


def render(report: Report) -> str:
    """Where it is; or the lock itself."""
    return "\n".join(report.messages)
