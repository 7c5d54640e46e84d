"""`dreamboot predict`."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any, Iterator, List, Mapping, Union

from dreamboot.app.context import Context
from dreamboot.model import Event, Report
from dreamboot.terminal.options import add_environment, count, settings_from

HELP = "how much video memory a training run would take, and what makes it fit"
TAKES_UNKNOWN_OPTIONS = True


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Its options; others are settings of the trainer."""
    add_environment(parser)
    parser.add_argument("--family", choices=("sd1", "sd2", "sdxl", "sd3", "flux"), help="a published model")
    parser.add_argument("--config", type=Path, metavar="FILE", help="a run's config.toml")
    parser.add_argument(
        "--vram", type=count, metavar="MIB", help="free video memory: name the cheapest settings that fit"
    )
    parser.epilog = "Settings of the trainer are flags too: --method lora, --resolution 768 ..."


def run(args: argparse.Namespace, context: Context) -> Iterator[Union[Event, Report]]:
    """Predict."""
    from dreamboot.app.ask_trainer import ask_trainer
    from dreamboot.app.image_inside import take_environment

    words: List[str] = []
    for name in ("family", "config", "vram"):
        words += [f"--{name}", str(getattr(args, name))] if getattr(args, name) else []
    for setting in settings_from(args.unknown, "predict"):
        words += ["--set", setting]
    yield from take_environment(context)
    yield from ask_trainer(context, "predict", words, args.env)


def render(report: Report) -> str:
    """Each moment's peak, the largest one by parts, and the settings that fit."""
    data = report.data
    found: Mapping[str, Any] = data["prediction"]
    lines = [f"{f'most, {name}':<24}{size:>8} MiB" for name, size in found["moments"].items()]
    rows = {
        **found["parts"],
        "allocator": found["allocator"],
        "CUDA context": found["context"],
        "in all": found["total"],
    }
    lines += [f"of {found['moment']}:", *(f"  {name:<22}{size:>8} MiB" for name, size in rows.items())]
    if "vram" in data:
        given = " ".join(f"--{name.replace('_', '-')} {item}" for name, item in data["settings"].items())
        lines.append(f"Fits {data['vram']} MiB " + (f"with {given.lower()}" if given else "as it is"))
        lines += [f"  {why}" for why in data["why"]]
    return "\n".join(lines)
