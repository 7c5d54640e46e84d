"""`dreamboot patch list | verify | apply | revert`."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any, Iterator, Union

from dreamboot.app.context import Context
from dreamboot.model import Event, Report

HELP = "list, verify, apply or revert patches"
VERBS = (
    ("list", "what exists, what applies here, what is applied, and why"),
    ("verify", "whether applied patches are in place and work"),
    ("apply", "apply those named, or all that are for this environment"),
    ("revert", "take back those named, or all; files become what they were"),
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Its verbs; each takes names and an environment."""
    verbs = parser.add_subparsers(dest="verb", metavar="VERB", required=True)
    for verb, text in VERBS:
        one = verbs.add_parser(verb, help=text)
        if verb != "list":
            one.add_argument("names", nargs="*", metavar="NAME", help="as `patch list` spells it")
        place = one.add_mutually_exclusive_group()
        place.add_argument("--env", default="", metavar="NAME", help="an environment of dreamboot's (default: default)")
        place.add_argument("--python", default="", metavar="PATH", help="the environment of this interpreter")
        place.add_argument("--site-packages", type=Path, metavar="DIR", help="this folder of packages")


def run(args: argparse.Namespace, context: Context) -> Iterator[Union[Event, Report]]:
    """Dispatch by verb."""
    from dreamboot.app import patch

    where = patch.locate(context, python=args.python, env=args.env, site_packages=args.site_packages)
    if args.verb == "list":
        yield from patch.list_patches(context, where)
    elif args.verb == "verify":
        yield from patch.verify(context, where, args.names)
    elif args.verb == "apply":
        yield from patch.apply(context, where, args.names)
    else:
        yield from patch.revert(context, where, args.names)


def render(report: Report) -> Any:
    """A table for the list; the diff and one line per patch for the rest."""
    data = report.data
    if "patches" in data:
        return _table(data)
    if "verified" in data:
        rows = [f"{row['name']}: {row['state']}" for row in data["verified"]]
        return "\n".join([*rows, *report.messages])
    return "\n".join([part for part in (data.get("diff", ""), *report.messages) if part])


def _table(data: Any) -> Any:
    from rich.console import Group
    from rich.table import Table

    table = Table(box=None)
    for title, whole in (("patch", True), ("here", True), ("why", False)):
        table.add_column(title, no_wrap=whole)
    for row in data["patches"]:
        here = row["state"] if row["state"] != "not-applied" else ("applies" if row["applies"] else "no")
        table.add_row(row["name"], here, f"{row['description']}. {row['reason']}.")
    notes = [f"{row['name']}: no longer needed, take it back with: dreamboot patch revert {row['name']}"
             for row in data["patches"] if row["needless"] and row["state"] != "not-applied"]  # fmt: skip
    notes += [f"{name}: applied, but not on the shelf of this dreamboot" for name in data["unknown"]]
    if data["unfinished"]:
        notes.append("An earlier change was interrupted: dreamboot patch apply or revert finishes it first.")
    if not any(row["applies"] for row in data["patches"]):
        notes.append("No patch is needed here.")
    return Group(table, *notes)
