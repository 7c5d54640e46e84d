"""The journal of one generation: which steps are done, so that an interrupted build goes on where it was."""

from __future__ import annotations

import json
import time
from typing import Dict, FrozenSet

from dreamboot.building.layout import GenerationLayout
from dreamboot.host import Host


def done_steps(host: Host, generation: GenerationLayout) -> FrozenSet[str]:
    """Names of finished steps. A line that a crash cut short counts for nothing."""
    names = set()
    for line in (host.read_text(generation.journal) or "").splitlines():
        try:
            names.add(str(json.loads(line)["done"]))
        except (ValueError, KeyError, TypeError, RecursionError):
            continue
    return frozenset(names)


def record(host: Host, generation: GenerationLayout, step: str, seconds: float) -> None:
    """Write that `step` is done; on disk before this returns. `seconds`: how long it took."""
    line = json.dumps({"done": step, "seconds": round(seconds, 3), "time": round(time.time(), 3)})
    # A leading newline heals a last line that was cut short.
    host.append_text(generation.journal, "\n" + line + "\n")


def durations(host: Host, generation: GenerationLayout) -> Dict[str, float]:
    """Seconds that each finished step took."""
    found = {}
    for line in (host.read_text(generation.journal) or "").splitlines():
        try:
            entry = json.loads(line)
            found[str(entry["done"])] = float(entry["seconds"])
        except (ValueError, KeyError, TypeError, RecursionError):
            continue
    return found
