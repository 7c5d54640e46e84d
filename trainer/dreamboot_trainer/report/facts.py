"""What a run was: its numbers, times and settings, from the events and the configuration."""

from __future__ import annotations

import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from importlib import metadata
from pathlib import Path
from typing import Any

from dreamboot_trainer.config import SECTIONS, Concept, Config, keys_of

_LIBRARIES = ("torch", "diffusers", "transformers", "accelerate", "bitsandbytes", "peft", "safetensors", "pillow")
Record = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True, slots=True)
class Numbers:
    """What the steps of a run have measured; None where no step was made."""

    steps: int
    loss: float | None
    seconds_per_step: float | None
    peak_memory_mib: int | None


def numbers(records: Sequence[Record]) -> Numbers:
    """Means over the steps; the loss is that of the last tenth. A step that was repeated counts once."""
    told = {
        record["done"]: record["data"]
        for record in records
        if record.get("event") == "progress" and record.get("stage") == "train"
    }
    if not told:
        return Numbers(steps=0, loss=None, seconds_per_step=None, peak_memory_mib=None)
    last = [data["loss"] for _, data in sorted(told.items())][-max(1, len(told) // 10) :]
    return Numbers(
        steps=len(told),
        loss=sum(last) / len(last),
        seconds_per_step=sum(data["seconds_per_step"] for data in told.values()) / len(told),
        peak_memory_mib=max(data["peak_memory_mib"] for data in told.values()),
    )


def seconds(records: Sequence[Record]) -> float:
    """How long the calls took together; the time between two calls is nobody's."""
    total, before = 0.0, None
    for record in records:
        now = record.get("time")
        if not isinstance(now, (int, float)):
            continue
        begins = record.get("event") == "started" and record.get("stage") == "prepare"
        if before is not None and not begins:
            total += max(0.0, now - before)
        before = now
    return total


def lasted(total: float) -> str:
    """Seconds as a person says them: 42 s, 7 min 5 s, 2 h 10 min."""
    whole = round(total)
    if whole < 60:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    if minutes < 60:
        return f"{minutes} min {rest} s" if rest else f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if minutes else f"{hours} h"


def day(records: Sequence[Record]) -> str:
    """When the run ended, in local time; empty where no event says it."""
    times = [record["time"] for record in records if isinstance(record.get("time"), (int, float))]
    if not times:
        return ""
    moment = datetime.fromtimestamp(times[-1]).astimezone()
    return f"{moment.day} {moment:%B %Y, %H:%M}"


def memory(mebibytes: int) -> str:
    """A size that people compare with their card."""
    return f"{mebibytes} MiB" if mebibytes < 1024 else f"{mebibytes / 1024:.1f} GiB"


def changed(config: Config) -> list[tuple[str, str, str]]:
    """Every key that is not at its default: its name, value and default."""
    found: list[tuple[str, str, str]] = []
    for section, cls in SECTIONS.items():
        part = getattr(config, section)
        found += [
            (key.dotted, _told(getattr(part, key.name)), _told(key.default))
            for key in keys_of(section, cls)
            if getattr(part, key.name) != key.default
        ]
    return found


def _told(value: object) -> str:
    """A value as config.toml has it; of several concepts what they are called."""
    if isinstance(value, tuple):
        return "; ".join(each.instance_prompt if isinstance(each, Concept) else str(each) for each in value)
    return str(value).lower() if isinstance(value, bool) else str(value)


def environment(config: Config, run: Path, records: Sequence[Record]) -> list[tuple[str, object]]:
    """Model, folder, machine and libraries."""
    found: list[tuple[str, object]] = [
        ("Model", config.model.pretrained_model_name_or_path),
        ("Method", config.training.method),
        ("Run folder", run),
    ]
    for record in records:
        if record.get("event") == "started" and record.get("stage") == "train":
            found += [(name.replace("_", " ").capitalize(), value) for name, value in record.get("data", {}).items()]
            break
    found += [("Python", platform.python_version()), ("System", platform.platform())]
    for name in _LIBRARIES:
        try:
            found.append((name, metadata.version(name)))
        except metadata.PackageNotFoundError:
            found.append((name, "not installed"))
    return found
