"""`dreamboot pick [RUN]`."""

from __future__ import annotations

import argparse
from typing import Any, Iterator, List, Mapping, Sequence, Union

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
    """One line per model, the best one marked, and where it is."""
    if "candidates" not in report.data:
        return "\n".join(report.messages)
    base: Sequence[Mapping[str, Any]] = report.data["base"]
    best = report.data["best"]
    lines = [_line("step", [str(score["name"]) for score in base], "balance"), _line("base", _values(base), "")]
    for row in report.data["candidates"]:
        mark = "   <- best" if row["step"] == best["step"] else ""
        lines.append(_line(str(row["step"]), _values(row["scores"]), f"{row['balance']:.3f}") + mark)
    return "\n".join((*lines, f"Best: {best['path']}"))


def _values(scores: Sequence[Mapping[str, Any]]) -> List[str]:
    return [f"{score['value']:.3f}" for score in scores]


def _line(*cells: Union[str, List[str]]) -> str:
    flat = [text for cell in cells for text in ([cell] if isinstance(cell, str) else cell)]
    return "".join(f"{text:>12}" for text in flat)
