"""How problems and reports look. Colour only on a terminal, plain text elsewhere."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path
from typing import Any, Optional

from dreamboot.model import ExitCode, Problem, Report


def show(renderable: Any, report: Report, home: Optional[Path] = None) -> None:
    """Print what a command renders, and the problem that it ended with, if any. `home`: see `as_typed`."""
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
        show_problem(report.problem, report.exit_code, home)


def show_problem(problem: Problem, code: ExitCode, home: Optional[Path] = None) -> None:
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
        hint = as_typed(problem.hint, home).replace("\n", "\n         ")
        console.print(Text.assemble(("Next:    ", "bold"), hint))
    if problem.link:
        console.print(Text.assemble(("More:    ", "dim"), problem.link))


def as_typed(hint: str, home: Optional[Path] = None) -> str:
    """The hint with `dreamboot COMMAND` spelt as this person calls it (python3 installer/bootstrap.py COMMAND).

    `home`: what this call had after --home, without which the next one would look elsewhere. bootstrap.py has put it
    into the command already.
    """
    from dreamboot.terminal.commands import COMMANDS

    command = os.environ.get("DREAMBOOT_COMMAND", "dreamboot")
    if home is not None and "--home" not in command + hint:
        # Double quotes are understood by every shell, also Windows'.
        command += f' --home "{home}"' if " " in str(home) else f" --home {home}"
    return re.sub(rf"(?<![\w./-])dreamboot (?=(?:{'|'.join(COMMANDS)})\b)", lambda _: f"{command} ", hint)
