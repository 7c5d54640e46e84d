"""How problems and reports look. Colour only on a terminal, plain text elsewhere."""

from __future__ import annotations

import os
import re
import sys
from typing import Any

from dreamboot.model import ExitCode, Problem, Report


def show(renderable: Any, report: Report) -> None:
    """Print what a command renders, and the problem that it ended with, if any."""
    if isinstance(renderable, str):
        # As it is: a path or a command that is broken in two, or has brackets read as markup, can't be pasted.
        sys.stdout.write(f"{renderable}\n" if renderable else "")
        sys.stdout.flush()
    elif renderable is not None:
        from rich.console import Console
        from rich.text import Text

        # text flows over the terminal's edge: a command that is broken in two can't be pasted
        console = Console(highlight=False, soft_wrap=isinstance(renderable, Text))
        console.print(renderable)
    if report.problem is not None:
        show_problem(report.problem, report.exit_code)


def show_problem(problem: Problem, code: ExitCode) -> None:
    """Draw one problem on stderr: what happened, why, what to do next."""
    from rich.console import Console
    from rich.text import Text

    console = Console(stderr=True, highlight=False, soft_wrap=True)
    word, style = ("Stopped", "yellow") if code is ExitCode.INTERRUPTED else ("Refused", "yellow")
    if code is ExitCode.PROBLEM:
        word, style = "Problem", "bold red"
    console.print(Text.assemble((f"{word}: ", style), problem.what))
    if problem.cause:
        console.print(Text.assemble(("Why:     ", "dim"), problem.cause))
    if problem.hint:
        console.print(Text.assemble(("Next:    ", "bold"), as_typed(problem.hint)))
    if problem.link:
        console.print(Text.assemble(("More:    ", "dim"), problem.link))


def as_typed(hint: str) -> str:
    """The hint with `dreamboot COMMAND` spelt as this person calls it (python3 installer/bootstrap.py COMMAND)."""
    from dreamboot.terminal.commands import COMMANDS

    command = os.environ.get("DREAMBOOT_COMMAND", "dreamboot")
    return re.sub(rf"(?<![\w./-])dreamboot (?=(?:{'|'.join(COMMANDS)})\b)", lambda _: f"{command} ", hint)
