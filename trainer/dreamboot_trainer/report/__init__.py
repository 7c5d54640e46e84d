"""report.html: one page that shows a run, what to do next and how to repeat it, with every picture inside the file."""

from __future__ import annotations

import shlex
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
    from dreamboot_trainer.report import facts, pictures
    from dreamboot_trainer.report.page import document, section, table

    page = document(
        facts.title(config),
        facts.subtitle(config, records),
        (
            section("Before and after", pictures.before_and_after(config, run)),
            section("What next", facts.next_steps(config, run)),
            section("The photos it learnt from", pictures.photos(config, run)),
            section("Samples over time", pictures.samples(run)),
            section("Curves", pictures.curves(run, records)),
            section("Fidelity", facts.fidelity(run / FIDELITY)),
            section("To repeat it", facts.repeat(repeat_command(run))),
            section("Changed settings", table(facts.changed(config))),
            section("The run", table(facts.of_run(config, run, records))),
            section("Environment", table(facts.environment())),
        ),
    )
    out = run / "report.html"
    with replacing(out) as partial:
        partial.write_text(page, encoding="utf-8")
    return out


def write_resolved(config: Config, run: Path) -> None:
    """Keep what the run was really called with: a flag may have won over config.toml, or there is none.

    To begin anew is a wish of one call, and not of those that go on from this file.
    """
    from dreamboot_trainer.config_read import absolute, dump

    config = replace(config, checkpoint=replace(config.checkpoint, resume="auto"))
    with replacing(run / RESOLVED) as partial:
        partial.write_text(dump(absolute(config, Path.cwd())), encoding="utf-8")


def repeat_command(run: Path) -> str:
    """The trainer's own command that makes the same run again in another folder."""
    config = shlex.quote(str(run / RESOLVED))
    return f"python -m dreamboot_trainer train --config {config} --output_dir NEW_FOLDER"
