"""`dreamboot env list | show | diff | rollback | repair | remove | gc`."""

from __future__ import annotations

import argparse
from typing import Any, Iterator, Union

from dreamboot.app.context import Context
from dreamboot.model import Event, Report

HELP = "list, show, compare, roll back, repair or remove environments"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Its verbs."""
    verbs = parser.add_subparsers(dest="verb", metavar="VERB", required=True)
    verbs.add_parser("list", help="all environments and their generations")
    for verb, text in (
        ("show", "path, plan and packages of one"),
        ("repair", "build it again from its own lock"),
        ("remove", "remove it; models and runs stay"),
    ):
        verbs.add_parser(verb, help=text).add_argument("name", nargs="?", default="default")
    roll = verbs.add_parser("rollback", help="use an earlier generation again")
    roll.add_argument("name", nargs="?", default="default")
    roll.add_argument("--to", type=int, metavar="N", help="this generation (default: the one before)")
    diff = verbs.add_parser("diff", help="what differs between two; NAME or NAME@GENERATION")
    diff.add_argument("one")
    diff.add_argument("other")
    garbage = verbs.add_parser("gc", help="remove old generations and unused downloads")
    garbage.add_argument("--keep", type=int, default=2, help="generations to keep of each (default: %(default)s)")


def run(args: argparse.Namespace, context: Context) -> Iterator[Union[Event, Report]]:
    """Dispatch by verb."""
    from dreamboot.app import env

    if args.verb == "list":
        yield from env.list_environments(context)
    elif args.verb == "show":
        yield from env.show(context, args.name)
    elif args.verb == "diff":
        yield from env.diff(context, args.one, args.other)
    elif args.verb == "rollback":
        yield from env.rollback(context, args.name, args.to)
    elif args.verb == "repair":
        yield from env.repair(context, args.name)
    elif args.verb == "remove":
        yield from env.remove(context, args.name)
    else:
        yield from env.collect_garbage(context, args.keep)


def render(report: Report) -> Any:
    """A table for the list, lines for the rest."""
    data = report.data
    if "environments" in data:
        return _table(data["environments"]) if data["environments"] else "No environments yet: dreamboot build"
    if "changed" in data:
        rows = [f"{name}: {change['from'] or '-'} -> {change['to'] or '-'}" for name, change in data["changed"].items()]
        return "\n".join(rows) or "No difference."
    if "packages" in data:
        seconds = ", ".join(f"{step} {taken:.1f} s" for step, taken in data["seconds"].items())
        packages = "\n".join(f"  {name} {version}" for name, version in sorted(data["packages"].items()))
        return f"{data['path']}\nBuilt in: {seconds}\n{packages}"
    return "\n".join(report.messages)


def _table(environments: Any) -> Any:
    from rich.table import Table

    table = Table("environment", "generation", "torch", "state", box=None)
    for environment in environments:
        for entry in environment["generations"]:
            table.add_row(environment["name"], str(entry["number"]), entry["torch"], _state(environment["name"], entry))
    return table


def _state(name: str, entry: Any) -> str:
    if entry["current"]:
        return "in use"
    return "complete" if entry["complete"] else f"unfinished; dreamboot build --env {name} goes on"
