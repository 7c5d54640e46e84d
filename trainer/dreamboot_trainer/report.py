"""report.html: one page that shows a run and how to repeat it, with every picture inside the file."""

from __future__ import annotations

import base64
import html
import json
import platform
import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from importlib import metadata
from pathlib import Path
from typing import Any

from dreamboot_trainer.config import SECTIONS, Config, keys_of
from dreamboot_trainer.files import replacing

RESOLVED = "resolved.toml"
"""The whole configuration of the last call, flags included, as TOML."""
FIDELITY = "fidelity.json"
"""What `pick` has measured."""
_LIBRARIES = ("torch", "diffusers", "transformers", "accelerate", "bitsandbytes", "peft", "safetensors")
_STYLE = (
    "body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#222}"
    "table{border-collapse:collapse}td,th{border:1px solid #ddd;padding:.2rem .6rem;text-align:left;vertical-align:top}"
    "img{max-width:100%;border:1px solid #ddd}figure{margin:1rem 0}pre{background:#f4f4f4;padding:.6rem;overflow:auto}"
)


def write_report(config: Config, run: Path, records: Sequence[Mapping[str, Any]]) -> Path:
    """Write run/report.html from the configuration, the events and the pictures of the run."""
    grids = sorted((run / "samples").glob("step-*.png"))
    parts = [
        "<h1>Training report</h1>",
        _table(_facts(config, run, records)),
        _section("Before and after", _pictures([run / "samples" / "before_after.png"])),
        _section("Curves", _pictures([run / "plots" / f"{name}.png" for name in ("loss", "learning_rate")])),
        _section("Fidelity", _fidelity(run)),
        _section("Samples over time", _pictures(grids)),
        _section("To repeat it", f"<pre>{html.escape(repeat_command(run))}</pre>"),
        _section("Changed settings", _table(_changed(config))),
        _section("Environment", _table(_environment())),
    ]
    page = (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>Training report</title><style>{_STYLE}</style>'
        f"<body>{''.join(parts)}</body></html>"
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


def _fidelity(run: Path) -> str:
    """The scores of every kept model, where `pick` was called."""
    path = run / FIDELITY
    if not path.is_file():
        return ""
    content = json.loads(path.read_text(encoding="utf-8"))
    rows = [("Model", ", ".join(score["name"] for score in content["base"]))]
    rows += [("base", ", ".join(f"{score['value']:.3f}" for score in content["base"]))]
    for each in content["candidates"]:
        name = f"step {each['step']}" + (" (best)" if each["step"] == content["best"]["step"] else "")
        values = ", ".join(f"{score['value']:.3f}" for score in each["scores"])
        rows.append((name, f"{values}; balance {each['balance']:.3f}"))
    return _table(rows)


def repeat_command(run: Path) -> str:
    """The command that makes the same run again in another folder."""
    config = shlex.quote(str(run / RESOLVED))
    return f"python -m dreamboot_trainer train --config {config} --output_dir NEW_FOLDER"


def _facts(config: Config, run: Path, records: Sequence[Mapping[str, Any]]) -> list[tuple[str, object]]:
    steps = {
        record["done"]: record["data"]
        for record in records
        if record.get("event") == "progress" and record.get("stage") == "train"
    }
    facts: list[tuple[str, object]] = [
        ("Model", config.model.pretrained_model_name_or_path),
        ("Method", config.training.method),
        ("Run folder", run),
        ("Steps", f"{len(steps)} of {config.training.max_train_steps}"),
    ]
    for record in records:
        if record.get("event") == "started" and record.get("stage") == "train":
            facts += [(name.replace("_", " ").capitalize(), value) for name, value in record.get("data", {}).items()]
            break
    if steps:
        last = [data["loss"] for _, data in sorted(steps.items())][-max(1, len(steps) // 10) :]
        facts += [
            ("Mean loss of the last tenth", f"{sum(last) / len(last):.4f}"),
            ("Seconds per step", f"{sum(data['seconds_per_step'] for data in steps.values()) / len(steps):.3f}"),
            ("Peak memory", f"{max(data['peak_memory_mib'] for data in steps.values())} MiB"),
        ]
    return facts


def _changed(config: Config) -> list[tuple[str, object]]:
    """Every key that is not at its default."""
    found: list[tuple[str, object]] = []
    for section, cls in SECTIONS.items():
        part = getattr(config, section)
        found += [
            (key.dotted, getattr(part, key.name))
            for key in keys_of(section, cls)
            if getattr(part, key.name) != key.default
        ]
    return found


def _environment() -> list[tuple[str, object]]:
    found: list[tuple[str, object]] = [("Python", platform.python_version()), ("System", platform.platform())]
    for name in _LIBRARIES:
        try:
            found.append((name, metadata.version(name)))
        except metadata.PackageNotFoundError:
            found.append((name, "not installed"))
    return found


def _section(title: str, content: str) -> str:
    return f"<h2>{html.escape(title)}</h2>{content}" if content else ""


def _table(rows: Iterable[tuple[str, object]]) -> str:
    cells = (f"<tr><th>{html.escape(name)}</th><td>{html.escape(str(value))}</td></tr>" for name, value in rows)
    return f"<table>{''.join(cells)}</table>"


def _pictures(paths: Iterable[Path]) -> str:
    found = []
    for path in paths:
        if path.is_file():
            data = base64.b64encode(path.read_bytes()).decode("ascii")
            name = html.escape(path.stem)
            found.append(
                f'<figure><img alt="{name}" src="data:image/png;base64,{data}"><figcaption>{name}</figcaption></figure>'
            )
    return "".join(found)
