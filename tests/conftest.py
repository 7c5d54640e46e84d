"""For all tests: the same examples each time, so that a green checkout stays green, and the order of the files."""

from __future__ import annotations

import pytest
from hypothesis import settings

settings.register_profile("repeatable", derandomize=True)
settings.load_profile("repeatable")

# Files of tests that build and train, and among them those that take longest: what is begun last should be short.
_MARKS = ("long", "real", "containers", "windows")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Long files first. Files are dealt to the workers in this order."""

    def place(item: pytest.Item) -> int:
        return next((i for i, mark in enumerate(_MARKS) if item.get_closest_marker(mark)), len(_MARKS))

    first: dict[str, int] = {}
    for item in items:
        path = str(item.path)
        first[path] = min(first.get(path, len(_MARKS)), place(item))
    items.sort(key=lambda item: first[str(item.path)])
