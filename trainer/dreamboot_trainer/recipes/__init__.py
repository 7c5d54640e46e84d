"""Recipes: settings for a kind of subject or card, each with the source of its numbers at its top."""

from __future__ import annotations

from pathlib import Path


def recipes() -> dict[str, Path]:
    """Every recipe's file by its name."""
    return {path.stem: path for path in sorted(Path(__file__).parent.glob("*.toml"))}
