"""The model families that can be converted: one file each, and the registry that finds them by name."""

from __future__ import annotations

from dreamboot_trainer.convert.families import sd1, sd2, sdxl
from dreamboot_trainer.convert.families.base import Component, Extra, Family

FAMILIES: dict[str, Family] = {family.name: family for family in (sd1.FAMILY, sd2.FAMILY, sdxl.FAMILY)}
"""Family name -> family."""

__all__ = ["FAMILIES", "Component", "Extra", "Family"]
