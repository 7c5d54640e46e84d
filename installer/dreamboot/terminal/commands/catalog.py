"""`dreamboot catalog`: what dreamboot knows about releases, GPUs and drivers."""

from __future__ import annotations

import argparse
from typing import Any, Dict, Iterator, List, Union

from dreamboot.app.context import Context
from dreamboot.model import Event, Report

HELP = "what dreamboot knows about releases, GPUs and drivers"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """show [TABLE], check."""
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    show = actions.add_parser("show", help="one table with its sources, or the list of tables")
    show.add_argument("table", nargs="?", default="", help="torch, gpus, amd, cuda, bitsandbytes ...")
    actions.add_parser("check", help="report rows that contradict each other")


def run(args: argparse.Namespace, context: Context) -> Iterator[Union[Event, Report]]:
    """The use case that was asked for."""
    from dreamboot.app import catalog

    return catalog.check(context) if args.action == "check" else catalog.show(context, args.table)


def render(report: Report) -> Any:
    """Tables for people; the full rows are in `--json`."""
    data = report.data
    if "contradictions" in data:
        if not data["contradictions"]:
            return f"{data['rows']} rows in {data['tables']} tables; none contradicts another."
        return _table(data["contradictions"], ["table", "row", "what"])
    if "tables" in data:
        return _table(data["tables"], ["table", "rows", "unverified", "about"])
    return _rows(data)


def _rows(data: Dict[str, Any]) -> Any:
    from rich.console import Group
    from rich.text import Text

    columns: List[str] = []
    for row in data["rows"]:
        columns += [name for name in row if name not in columns and name != "source"]
    sources = [f"{name}: {where}" for name, where in data["sources"].items()]
    head = Text(f"{data['about']} (as of {data['as_of']})", style="bold")
    return Group(head, _table(data["rows"], columns), *(Text(line, style="dim") for line in sources))


def _table(rows: List[Dict[str, Any]], columns: List[str]) -> Any:
    from rich.table import Table

    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for name in columns:
        table.add_column(name.replace("_", " "), overflow="fold")
    for row in rows:
        table.add_row(*(_cell(row.get(name, "")) for name in columns))
    return table


def _cell(member: Any) -> str:
    if isinstance(member, dict):
        return "; ".join(f"{key}: {_cell(inner)}" for key, inner in member.items())
    if isinstance(member, list):
        return " ".join(str(item) for item in member)
    return str(member)
