"""Explain: a log file, standard input or the last run's log → causes and fixes."""

from __future__ import annotations

from pathlib import Path
from typing import Iterator, Optional, Tuple, Union

from dreamboot.app.context import Context
from dreamboot.doctor.symptoms import Cause, Explanation, examine
from dreamboot.model import DreambootError, Event, Problem, Report
from dreamboot.values import to_json

NOTHING_KNOWN = "I do not know this one, and I will not guess."
# What a run leaves behind, most telling first.
LOG_NAMES = ("trainer.log", "build.log")


def explain(
    context: Context, *, file: Optional[Path], text: Optional[Union[str, bytes]] = None, last_run: bool = False
) -> Iterator[Union[Event, Report]]:
    """The use case behind `dreamboot explain`. `text` is what standard input gave.

    Raises `DreambootError` when the file can't be read or there is no last run.
    """
    source = "standard input"
    if text is None:
        path = newest_log(context) if last_run or file is None else file
        text, source = _read(context, path), str(path)
    yield report_of(examine(text), source)


def report_of(found: Explanation, source: str) -> Report:
    """The report of one explanation; `data["causes"]` is the promise, the other keys help people."""
    data = {
        "schema": 1,
        "source": source,
        "causes": [_entry(cause) for cause in found.causes],
        "harmless": list(found.harmless),
        "would_help": list(found.would_help),
    }
    return Report(command="explain", data=data, messages=() if found.causes else (NOTHING_KNOWN,))


def newest_log(context: Context) -> Path:
    """The log of the last run or build. Raises `DreambootError` when there is none."""
    found = []
    for base in (context.home / "runs", context.home / "envs", context.home / "logs"):
        for folder in (base, *(base / name for name in context.host.list_dir(base))):
            found += [folder / name for name in LOG_NAMES if context.host.exists(folder / name)]
    if not found:
        raise DreambootError(
            Problem(
                id="no-log",
                what="There is no log of a run to explain.",
                cause=f"No run or build was made with the home folder {context.home}.",
                hint="dreamboot explain FILE   (or pipe the output: COMMAND 2>&1 | dreamboot explain -)",
            )
        )
    return max(found, key=lambda path: Path(path).stat().st_mtime)


def _read(context: Context, path: Path) -> bytes:
    data = context.host.read_bytes(path)
    if data is None:
        raise DreambootError(
            Problem(
                id="log-unreadable",
                what=f"The log {path} can't be read.",
                cause="There is no such file, or it may not be read.",
                hint="dreamboot explain -   (then paste the log and press Ctrl-D, on Windows Ctrl-Z and Enter)",
            )
        )
    return data


def _entry(cause: Cause) -> object:
    """Exactly the promised keys first; the line of the log last."""
    keys: Tuple[str, ...] = ("id", "area", "confidence", "problem", "fix", "evidence")
    whole = to_json(cause)
    return {key: whole[key] for key in keys}
