"""`dreamboot explain`: a log → cause and fix."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any, Iterator, List, Optional, Union

from dreamboot.app.context import Context
from dreamboot.model import Event, Report

HELP = "a log file or standard input: cause and fix"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The file, or the last run."""
    parser.add_argument("file", nargs="?", metavar="FILE", help="the log; - or a pipe: standard input")
    parser.add_argument("--last-run", action="store_true", help="the log of the last run or build of dreamboot")


def run(args: argparse.Namespace, context: Context) -> Iterator[Union[Event, Report]]:
    """The use case; standard input is read here, because only a face has one."""
    from dreamboot.app.explain import explain

    text: Optional[bytes] = None
    piped = args.file is None and not args.last_run and sys.stdin is not None and not sys.stdin.isatty()
    if args.file == "-" or piped:
        text = sys.stdin.buffer.read()
    file = Path(args.file) if args.file not in (None, "-") else None
    return explain(context, file=file, text=text, last_run=args.last_run)


def render(report: Report) -> Any:
    """The first cause in full, others in a line each."""
    causes = report.data["causes"]
    if not causes:
        wanted = [f"  - {one}" for one in report.data["would_help"]]
        return "\n".join([*report.messages, "It would help to have:", *wanted])
    lines: List[str] = _whole(causes[0])
    for other in causes[1:]:
        lines.append(f"Also seen: {other['problem']['what']} ({other['id']}, {other['confidence']:.0%})")
    for note in report.data["harmless"]:
        lines.append(f"Harmless: {note}")
    return "\n".join(lines)


def _whole(cause: Any) -> List[str]:
    problem = cause["problem"]
    lines = [f"{problem['what']}", f"  Why:  {problem['cause']}", f"  Seen: {cause['evidence']}"]
    for step in cause["fix"]:
        lines.append(f"  Do:   {step['command']}")
        lines.append(f"        ({step['changes']})")
    if problem["link"]:
        lines.append(f"  More: {problem['link']}")
    lines.append(f"  ({cause['id']}, area {cause['area']}, confidence {cause['confidence']:.0%})")
    return lines
