"""Which entries of a folder are photos, by name. The trainer reads every one of them later."""

from __future__ import annotations

from pathlib import PurePath
from typing import Iterable, Tuple

SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff", ".heic", ".avif")


def among(names: Iterable[str]) -> Tuple[str, ...]:
    """Those that are named like photos, in their order."""
    return tuple(name for name in names if PurePath(name).suffix.lower() in SUFFIXES)
