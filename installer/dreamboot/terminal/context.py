"""Arguments → `Context`: which home, which host, who is asked."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import Optional, cast

from dreamboot.app.context import Confirm, Context
from dreamboot.host import Host, current
from dreamboot.host.dry_run import DryRunHost


def make_context(args: argparse.Namespace) -> Context:
    """The context of one invocation from its common flags."""
    host: Host = current()
    if args.dry_run:
        host = cast(Host, DryRunHost(host))
    interactive = not args.yes and not args.json and sys.stdin is not None and sys.stdin.isatty()
    return Context(
        host=host,
        home=home_folder(args.home),
        confirm=_confirm(yes=args.yes, interactive=interactive),
        yes=args.yes,
        dry_run=args.dry_run,
        offline=args.offline,
        interactive=interactive,
        debug=args.debug,
        assume=args.assume,
    )


def home_folder(given: Optional[Path]) -> Path:
    """--home, else DREAMBOOT_HOME, else the platform's user data folder; always absolute."""
    if given is None and os.environ.get("DREAMBOOT_HOME"):
        given = Path(os.environ["DREAMBOOT_HOME"])
    if given is None:
        import platformdirs

        given = Path(platformdirs.user_data_dir("dreamboot", appauthor=False))
    return given.expanduser().absolute()


def _confirm(*, yes: bool, interactive: bool) -> Confirm:
    """`--yes` agrees, a terminal asks, and where nobody can be asked the answer is no."""

    def ask(question: str, default: bool = False) -> bool:
        if yes:
            return True
        if not interactive:
            return False
        import questionary

        before, _, last = question.rpartition("\n")
        if before:
            sys.stdout.write(f"{before}\n")
            sys.stdout.flush()
        answer = questionary.confirm(last, default=default).ask()
        if answer is None:
            raise KeyboardInterrupt
        return bool(answer)

    return ask
