"""`dreamboot plan`: what would be built here, and why."""

from __future__ import annotations

import argparse
from typing import Any, Dict, Iterator, List, Mapping, Union

from dreamboot.app.context import Context
from dreamboot.model import Event, Report
from dreamboot.terminal.options import add_wish, wish_from

HELP = "what would be built here, and why"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The wish, and how much to tell."""
    add_wish(parser)
    parser.add_argument("--explain", action="store_true", help="show every candidate, and why it was or was not taken")


def run(args: argparse.Namespace, context: Context) -> Iterator[Union[Event, Report]]:
    """The use case; what `--explain` adds is a matter of showing."""
    from dreamboot.app.plan import plan

    for item in plan(context, wish_from(args)):
        if isinstance(item, Report) and args.explain and not args.json:
            from dataclasses import replace

            yield replace(item, messages=("explain",))
        else:
            yield item


def render(report: Report) -> Any:
    """The plan for people; with `--explain` the table of candidates too."""
    from rich.console import Group

    data = report.data
    explain = "explain" in report.messages
    parts: List[Any] = [] if "refused" in data else [*_decision(data)]
    if explain:
        parts.append(_candidates(data))
    elif "refused" not in data:
        from dreamboot.terminal.draw import as_typed

        parts.append(as_typed(f"{len(data['rejected'])} candidates were not taken; why: dreamboot plan --explain"))
    return Group(*parts) if parts else ""


def _decision(data: Mapping[str, Any]) -> Iterator[Any]:
    from rich.table import Table
    from rich.text import Text

    torch = data["torch"]
    title = f"torch {torch['version']}+{torch['tag']} on Python {data['python']}, for {data['device']}"
    yield Text(title, style="bold")
    table = Table(box=None, pad_edge=False, show_header=False, padding=(0, 2, 0, 0))
    table.add_column(style="dim", no_wrap=True)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for choice in data["because"]:
        table.add_row(choice["topic"], choice["value"], choice["reason"])
    yield table
    yield Text("Packages: " + ", ".join(f"{name}{wanted}" for name, wanted in data["packages"].items()))
    settings = data["preset"]["settings"]
    yield Text("Training: " + ", ".join(f"{name}={value}" for name, value in settings.items()))
    yield Text("Cost:     " + _cost(data["cost"]))
    for warning in data["warnings"]:
        yield Text(f"Note: {warning}", style="yellow")


def _cost(cost: Mapping[str, Any]) -> str:
    if not cost.get("download_bytes"):
        return "not known"
    return (
        f"{cost['download_bytes'] / 1e6:.0f} MB to download, {cost['disk_bytes'] / 1e9:.1f} GB on disk, "
        f"about {max(1, round(cost['seconds'] / 60))} min"
    )


def _candidates(data: Mapping[str, Any]) -> Any:
    """One row per candidate; equal reasons of one release are drawn together."""
    from rich.table import Table

    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for title in ("candidate", "rule", "why"):
        table.add_column(title, overflow="fold")
    if "torch" in data:
        torch = data["torch"]
        table.add_row(f"torch {torch['version']}+{torch['tag']} ({torch['source']})", "taken", "the best that works")
    for row in _grouped(data["rejected"]):
        table.add_row(row["candidate"], row["rule"], row["reason"])
    return table


def _grouped(rejected: List[Mapping[str, Any]]) -> List[Dict[str, Any]]:
    """Newest first; candidates that one rule rejects for the same reason share a row. Other devices' builds last."""
    rows: Dict[Any, List[str]] = {}
    newest_first = rejected[::-1]
    for row in sorted(newest_first, key=lambda row: (row["rule"] == "device", row["rule"] != "best")):
        rows.setdefault((row["rule"], row["reason"]), []).append(row["candidate"])
    return [
        {"rule": rule, "reason": reason, "candidate": names[0] + (f" and {len(names) - 1} more" if names[1:] else "")}
        for (rule, reason), names in rows.items()
    ]
