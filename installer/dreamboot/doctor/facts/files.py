"""Reading folders fast: thousands of files of a torch environment are looked at in a fraction of a second."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Dict, Iterator, List, Tuple


def names(folder: str) -> List[str]:
    """Names in a folder, sorted; none when it can't be read."""
    try:
        return sorted(os.listdir(folder))  # noqa: PTH208 - names are wanted, not paths
    except OSError:
        return []


def text(path: str, limit: int = 200_000) -> str:
    """The beginning of a file (bytes beyond `limit` are left out), "" when it can't be read."""
    try:
        with Path(path).open("rb") as file:
            return file.read(limit).decode("utf-8", "replace")
    except (OSError, ValueError):
        return ""


def sizes(folder: str) -> Dict[str, Tuple[int, float]]:
    """Every file below a folder, by its path with forward slashes relative to the folder → (bytes, mtime)."""
    found: Dict[str, Tuple[int, float]] = {}
    waiting = [("", folder)]
    while waiting:
        prefix, path = waiting.pop()
        for entry in _entries(path):
            if entry.name == "__pycache__":
                continue
            name = prefix + entry.name
            try:
                if entry.is_dir():
                    waiting.append((name + "/", entry.path))
                else:
                    status = entry.stat()
                    found[name] = (status.st_size, status.st_mtime)
            except OSError:
                continue
    return found


def _entries(path: str) -> Iterator[os.DirEntry[str]]:
    try:
        with os.scandir(path) as entries:
            yield from entries
    except OSError:
        return
