"""report.html: one page that shows a run, what to do with it and how to repeat it, with every picture inside."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from dreamboot_trainer.config import Config
from dreamboot_trainer.files import replacing

RESOLVED = "resolved.toml"
"""The whole configuration of the last call, flags included, as TOML."""
FIDELITY = "fidelity.json"
"""What `pick` has measured."""


def write_report(config: Config, run: Path, records: Sequence[Mapping[str, Any]]) -> Path:
    """Write run/report.html from the configuration, the events and the pictures of the run."""
    from dreamboot_trainer.report.page import page

    out = run / "report.html"
    with replacing(out) as partial:
        # The name of a photo may hold bytes that are no UTF-8.
        partial.write_bytes(page(config, run, records).encode("utf-8", "backslashreplace"))
    return out


def write_resolved(config: Config, run: Path) -> None:
    """Keep what the run was really called with: a flag may have won over config.toml, or there is none.

    To begin anew is a wish of one call, and not of those that go on from this file.
    """
    from dreamboot_trainer.config_read import absolute, dump

    config = replace(config, checkpoint=replace(config.checkpoint, resume="auto"))
    with replacing(run / RESOLVED) as partial:
        partial.write_text(dump(absolute(config, Path.cwd())), encoding="utf-8")
