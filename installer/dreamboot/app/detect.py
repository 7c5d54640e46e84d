"""Use case: say what this machine is."""

from __future__ import annotations

from typing import Iterator, Union

from dreamboot.app.context import Context
from dreamboot.model import Event, Report
from dreamboot.values import to_json


def detect(context: Context) -> Iterator[Union[Event, Report]]:
    """Ends with a report whose data is the whole `Machine`, in the form that `--assume` takes back."""
    yield Report(command="detect", data=to_json(context.machine()))
