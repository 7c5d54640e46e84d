"""numpy: below 2 beside a torch that was compiled against numpy 1."""

from __future__ import annotations

from dreamboot.catalog.versions import at_least
from dreamboot.model import Choice
from dreamboot.planning.companions import Addition, Chosen


def decide(chosen: Chosen) -> Addition:
    """torch < 2.3 everywhere, and up to 2.4.0 on Windows (known conflicts of the catalog)."""
    version, windows = chosen.candidate.version, chosen.question.machine.os == "windows"
    old = not at_least(version, "2.3") or (windows and not at_least(version, "2.4.1"))
    if not old or chosen.stack.packages.get("numpy") == "<2":
        return Addition()
    reason = f"torch {version} was compiled against numpy 1 and fails with numpy 2"
    return Addition(packages={"numpy": "<2"}, because=Choice(topic="numpy", value="<2", reason=reason))
