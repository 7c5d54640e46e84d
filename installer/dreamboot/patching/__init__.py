"""Patches as data: parse, plan in memory, apply as one change, take back exactly. Knows no project by name."""

from __future__ import annotations

from dreamboot.patching.applicable import Facts, Verdict, applicable, facts_of, names_of
from dreamboot.patching.engine import Planned, apply, plan_apply, plan_revert, revert
from dreamboot.patching.parse import parse
from dreamboot.patching.patch import Patch, Wheel
from dreamboot.patching.shelves import pick, shelf

__all__ = [
    "Facts",
    "Patch",
    "Planned",
    "Verdict",
    "Wheel",
    "applicable",
    "apply",
    "facts_of",
    "names_of",
    "parse",
    "pick",
    "plan_apply",
    "plan_revert",
    "revert",
    "shelf",
]
