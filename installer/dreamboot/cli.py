"""The command line: reads the arguments, imports the one command that was asked for, shows what it reports."""

from __future__ import annotations

import argparse
import importlib
import os
import sys
import types
from pathlib import Path
from typing import TYPE_CHECKING, Iterator, List, Optional, Sequence, Union

from dreamboot import __version__
from dreamboot.model import DreambootError, Event, EventKind, ExitCode, Problem, Report
from dreamboot.terminal.commands import COMMANDS
from dreamboot.values import to_json

if TYPE_CHECKING:
    from dreamboot.terminal.progress import Watcher


def main(argv: Optional[Sequence[str]] = None) -> int:
    """Run one command; returns the exit code (see `ExitCode`)."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    _readable_output()
    # Common options may stand anywhere, also after the verb of a command: they are taken out first.
    common, rest = _common_parser().parse_known_args(arguments)
    name = _command_name(rest)
    parser = _parser(name)
    args, unknown = parser.parse_known_args(rest, common)
    if unknown and not (name and getattr(_module(name), "TAKES_UNKNOWN_OPTIONS", False)):
        parser.error("unrecognized arguments: " + " ".join(unknown))
    args.unknown = unknown
    if name is None:
        parser.print_help()
        return int(ExitCode.USAGE if arguments else ExitCode.DONE)
    try:
        return _run(name, args)
    except DreambootError as error:
        return _show_problem(error.problem, error.exit_code, args)
    except KeyboardInterrupt:
        problem = Problem(
            id="interrupted",
            what="Stopped because you interrupted it.",
            cause="Nothing is left half-made: what was finished is kept.",
            hint="Run the same command again to go on.",
        )
        return _show_problem(problem, ExitCode.INTERRUPTED, args)
    except BrokenPipeError:
        # The reader (head, less) has gone; there is nobody left to tell.
        sys.stderr.close()
        return int(ExitCode.DONE)
    except Exception as error:
        if args.debug:
            raise
        return _show_problem(_unexpected(error), ExitCode.PROBLEM, args)


def _command_name(words: List[str]) -> Optional[str]:
    """The first word that is no option, when it names a command."""
    first = next((word for word in words if not word.startswith("-")), None)
    return first if first in COMMANDS else None


def _parser(name: Optional[str]) -> argparse.ArgumentParser:
    """The parser with all commands named, but only `name`'s options loaded."""
    shown = [_common_parser()]
    for action in shown[0]._actions:
        action.default = argparse.SUPPRESS
    parser = argparse.ArgumentParser(
        prog="dreamboot",
        description="From a bare machine to a trained DreamBooth model.",
        epilog="More: dreamboot COMMAND --help. Exit codes: 0 done, 1 a problem, 2 usage, 3 refused, 130 stopped.",
        parents=shown,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"dreamboot {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", title="commands")
    for command, text in COMMANDS.items():
        description = f"{text[:1].upper()}{text[1:]}."
        sub = commands.add_parser(command, help=text, description=description, parents=shown, allow_abbrev=False)
        if command == name:
            _module(command).add_arguments(sub)
    return parser


def _folder(text: str) -> Optional[Path]:
    """A path; an empty word (an unset variable of a script) is none, not the working directory."""
    return Path(text) if text.strip() else None


def _common_parser() -> argparse.ArgumentParser:
    """Flags that every command has."""
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    group = parser.add_argument_group("common options")
    group.add_argument("--home", type=_folder, help="where dreamboot keeps everything (DREAMBOOT_HOME)")
    group.add_argument("--assume", type=Path, metavar="FILE", help="a stated machine (TOML or JSON)")
    for names, text in (
        (("--json",), "print one JSON document"),
        (("--yes", "-y"), "take every default, ask nothing"),
        (("--dry-run",), "say what would be done, change nothing"),
        (("--offline",), "use no network"),
        (("--debug",), "show tracebacks and every line"),
    ):
        group.add_argument(*names, action="store_true", help=text)
    return parser


def _module(name: str):  # type: ignore[no-untyped-def]  # noqa: ANN202 - modules have no nameable type
    return importlib.import_module(f"dreamboot.terminal.commands.{name}")


def _run(name: str, args: argparse.Namespace) -> int:
    from dreamboot.terminal.context import make_context
    from dreamboot.terminal.options import check_environment_names

    check_environment_names(args)
    module = _module(name)
    context = make_context(args)
    outcome = _follow(module.run(args, context), args)
    if args.json:
        _print_json(outcome.data if outcome.data is not None else {"schema": 1})
    else:
        from dreamboot.terminal.draw import show

        show(module.render(outcome), outcome, args.home)
        if context.dry_run:
            show("Dry run: nothing was changed.", outcome)
    return int(outcome.exit_code)


def _follow(happening: Iterator[Union[Event, Report]], args: argparse.Namespace) -> Report:
    """Show events as they come (on stderr, so that `--json` stays clean); return the report."""
    watcher = None
    try:
        for item in happening:
            if isinstance(item, Report):
                return item
            if watcher is None:
                from dreamboot.terminal.progress import Watcher

                watcher = Watcher(quiet=args.json, debug=args.debug)
            watcher.see(item)
    except KeyboardInterrupt:
        _wind_down(happening, watcher)
        raise
    finally:
        if watcher is not None:
            watcher.close()
    raise RuntimeError("a use case ended without a report")


def _wind_down(happening: Iterator[Union[Event, Report]], watcher: Optional[Watcher]) -> None:
    """Ctrl-C came while an event was drawn: the use case has not heard of it, and gets to save its work."""
    if not isinstance(happening, types.GeneratorType) or happening.gi_frame is None:
        return
    if watcher is not None:
        message = "finishing what must not stay half-done; press Ctrl-C again to stop at once"
        watcher.see(Event(kind=EventKind.STARTED, stage="stop", message=message))
    happening.close()


def _show_problem(problem: Problem, code: ExitCode, args: argparse.Namespace) -> int:
    if args.json:
        key = "refused" if code is ExitCode.REFUSED else "problem"
        _print_json({"schema": 1, key: to_json(problem)})
    else:
        from dreamboot.terminal.draw import show_problem

        show_problem(problem, code, args.home)
    return int(code)


def _unexpected(error: Exception) -> Problem:
    return Problem(
        id="unexpected",
        what=f"Something unforeseen went wrong: {type(error).__name__}: {error}",
        cause="This is a fault of dreamboot, or a state of the machine that it does not know yet.",
        hint="Run the same command with --debug and report what it prints.",
    )


def _print_json(data: object) -> None:
    import json

    sys.stdout.write(json.dumps(to_json(data), indent=2, ensure_ascii=False) + "\n")


def _readable_output() -> None:
    """Names of people and folders may hold letters that an old console can't show: replace them, never crash."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            # Started with the stream closed (`>&-`): what is written goes nowhere.
            setattr(sys, name, Path(os.devnull).open("w", encoding="utf-8"))  # noqa: SIM115 - open until the end
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="replace")


if __name__ == "__main__":
    raise SystemExit(main())
