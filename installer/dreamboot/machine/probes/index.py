"""The package-index configuration, and which torch wheels the places named there hold."""

from __future__ import annotations

from dreamboot.machine.asking import Asking, Facts
from dreamboot.machine.index import read_indexes
from dreamboot.machine.indexes.raw import hide
from dreamboot.machine.indexes.sources import sources
from dreamboot.model import Fault


def probe(asking: Asking) -> Facts:
    """indexes, sources."""
    settings = read_indexes(asking)
    faults = tuple(
        Fault(id="package-index-configuration", cause="a part of the package-index configuration can't be used",
              evidence=hide(text))
        for text in settings.faults
    )  # fmt: skip
    known: Facts = {"indexes": settings.public(), "faults": faults}
    asking.early = {**known, "sources": sources(asking, settings, late=True)}
    return {**known, "sources": sources(asking, settings)}
