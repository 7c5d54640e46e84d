"""`dreamboot doctor`: what is wrong with an environment, and how to mend it."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any, Dict, Iterator, List, Union

from dreamboot.app.context import Context
from dreamboot.model import Event, Report

HELP = "diagnose this machine and an environment, and mend it"
WORDS = {"error": "Error", "crashed": "Crashed", "warning": "Warning", "skipped": "Skipped", "info": "Info", "ok": "Ok"}
STYLES = {
    "error": "bold red",
    "crashed": "bold red",
    "warning": "yellow",
    "skipped": "dim",
    "info": "cyan",
    "ok": "green",
}
MARKDOWN = "markdown"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Which environment, and how deep."""
    which = parser.add_mutually_exclusive_group()
    which.add_argument(
        "--python", type=Path, metavar="PATH", help="an interpreter, or a folder that holds an environment"
    )
    which.add_argument("--env", metavar="NAME", default="", help="an environment of dreamboot")
    which.add_argument("--image", metavar="TAG", default="", help="a container image")
    parser.add_argument(
        "--data", metavar="PATH", action="append", default=[], help="a folder with models or photos to look into"
    )
    parser.add_argument(
        "--deep", action="store_true", help="also import packages and compute, each in a process of its own"
    )
    parser.add_argument("--fix", action="store_true", help="mend what can be mended safely, then check again")
    parser.add_argument("--undo", action="store_true", help="put an environment back as it was before --fix")
    parser.add_argument(
        "--markdown", action="store_true", help="print for an issue; names, folders and tokens are taken out"
    )
    parser.add_argument("--report", type=Path, metavar="FILE.zip", help="write findings and facts for support")
    parser.add_argument("--all", action="store_true", help="also show what is in order")


def run(args: argparse.Namespace, context: Context) -> Iterator[Union[Event, Report]]:
    """The use case; how it is shown travels with the report."""
    from dreamboot.app.doctor import Examination, doctor

    asked = Examination(
        python=args.python,
        environment=args.env,
        image=args.image,
        data=tuple(args.data),
        deep=args.deep,
        fix=args.fix,
        undo=args.undo,
        report=args.report,
    )
    shown = (MARKDOWN,) if args.markdown else ("all",) if args.all else ()
    for item in doctor(context, asked):
        if isinstance(item, Report):
            yield Report(
                command=item.command,
                data=item.data,
                exit_code=item.exit_code,
                problem=item.problem,
                messages=(*shown, *item.messages),
            )
        else:
            yield item


def render(report: Report) -> Any:
    """Which Python first, then what is wrong, worst first, then a count."""
    if MARKDOWN in report.messages[:1]:
        return markdown(report.data)
    if "restored" in report.data:
        return report.messages[-1]
    from rich.text import Text

    everything = report.messages[:1] == ("all",)
    lines: List[Any] = [Text(line) for line in headline(report.data)]
    for finding in report.data["findings"]:
        if finding["problem"]:
            lines.append(_problem(finding))
        elif everything and finding["status"] != "omitted":
            style = STYLES.get(finding["status"], "")
            told = f"{finding['id']}: {finding['evidence']}"
            lines.append(Text.assemble((f"{WORDS[finding['status']]:8}", style), told))
    for entry in report.data.get("fixed", ()):
        lines.append(Text(f"{_fixed_word(entry)}: {entry['id']}   ({entry['command']})"))
    lines.append(Text(tally(report.data)))
    return Text("\n").join(lines)


def _problem(finding: Dict[str, Any]) -> Any:
    from rich.text import Text

    problem = finding["problem"]
    text = Text.assemble(
        (f"{WORDS[finding['status']]}: ", STYLES[finding["status"]]), problem["what"], (f"  [{finding['id']}]", "dim")
    )
    text.append(f"\n  Why: {problem['cause']}")
    for step in finding["fix"]:
        kind = "" if step["automatic"] else " (by you)"
        text.append(f"\n  Do{kind}: {step['command']}")
        text.append(f"\n      {step['changes']}", "dim")
    if problem["link"]:
        text.append(f"\n  More: {problem['link']}", "dim")
    return text


def headline(data: Dict[str, Any]) -> List[str]:
    """Which Python, where torch comes from, and whether a start by hand takes this one."""
    python = data.get("python")
    if not python:
        return []
    lines = [f"Python {python['version']} ({python['kind']}): {python['path']}"]
    lines.append(f"torch {python['torch']} from {python['torch_from']}" if python["torch"] else "torch: none")
    if python["started_by"] and python["started_by"] != python["path"]:
        lines.append(f"A plain `python` starts another one: {python['started_by']}")
    return lines


def tally(data: Dict[str, Any]) -> str:
    """ "0 errors, 1 warning; 41 checks found nothing wrong, 12 had nothing to look at here." """
    count: Dict[str, int] = {}
    for finding in data["findings"]:
        count[finding["status"]] = count.get(finding["status"], 0) + 1
    bad = count.get("error", 0) + count.get("crashed", 0)
    doubts = count.get("warning", 0)
    told = f"{bad} error{'' if bad == 1 else 's'}, {doubts} warning{'' if doubts == 1 else 's'}"
    skipped = f", {count['skipped']} skipped (they need what failed)" if count.get("skipped") else ""
    good = count.get("ok", 0) + count.get("info", 0)
    return f"{told}; {good} checks found nothing wrong{skipped}, {count.get('omitted', 0)} had nothing to look at here."


def markdown(data: Dict[str, Any]) -> str:
    """For an issue: without the home folder, names of people and machines, and tokens."""
    import os
    import platform

    from dreamboot.doctor.redact import redacted

    lines = [
        "### dreamboot doctor",
        "",
        *(f"- {line}" for line in headline(data)),
        "",
        "| status | check | what | evidence |",
        "|---|---|---|---|",
    ]
    for finding in data["findings"]:
        if finding["status"] in ("omitted", "ok"):
            continue
        what = finding["problem"]["what"] if finding["problem"] else ""
        cells = (finding["status"], finding["id"], what, finding["evidence"])
        lines.append("| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in cells) + " |")
    return redacted("\n".join([*lines, "", tally(data)]), dict(os.environ), platform.node())


def _fixed_word(entry: Dict[str, Any]) -> str:
    if not entry["done"]:
        return "Not done" + (f" ({entry['failed']})" if entry.get("failed") else "")
    return "Fixed and proven" if entry.get("proven") else "Done, but not proven"
