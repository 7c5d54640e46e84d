"""What the trainer's commands say while they work: lines for a person, or JSON lines for a program."""

# ruff: noqa: T201 - this is a face: it prints

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from contextlib import redirect_stdout
from typing import Any

from dreamboot_trainer.events import Listener


def on_stderr(*, as_json: bool) -> Listener:
    """Tells events beside the answer, which has standard output for itself."""

    def tell(record: dict[str, Any]) -> None:
        with redirect_stdout(sys.stderr):
            (json_line if as_json else print_event)(record)

    return tell


def while_heard(listener: Callable[[Any], None]) -> Callable[[Any], None]:
    """Training goes on when nobody reads its output any more: a closed terminal, or a pipe to `head`."""

    def tell(record: Any) -> None:
        try:
            listener(record)
        except OSError:
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, sys.stdout.fileno())  # so that the interpreter's last flush finds a reader, too

    return tell


def json_line(record: dict[str, Any]) -> None:
    """The event as it is."""
    print(json.dumps(record, ensure_ascii=False), flush=True)


def print_event(record: dict[str, Any]) -> None:
    """One line per event that a person wants; of the many steps and images about 20."""
    stage, data = record["stage"], record.get("data", {})
    if record["event"] == "progress":
        done, total = record["done"], record["total"]
        shown = done % max(1, total // 20) == 0 or done == total
        if stage == "train" and shown:
            print(f"step {done}/{total}  loss {data['loss']:.4f}  {data['seconds_per_step']:.2f} s/step", flush=True)
        elif stage == "sample" or record["unit"] == "MiB" or (stage != "train" and shown):
            print(f"{stage} {done}/{total} {record['unit']}", flush=True)
    elif record.get("message"):
        print(f"{stage}: {record['message']}", flush=True)
