"""Fixtures of the trainer's tests: a miniature model and photos, built once."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def fresh_accelerate() -> None:
    """accelerate keeps one state per process, and refuses a second run that asks for another precision."""
    if "accelerate.state" in sys.modules:
        from accelerate.state import AcceleratorState

        AcceleratorState._reset_state(reset_partial_state=True)


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A miniature SD 1.x folder."""
    pytest.importorskip("torch")
    from support.tiny_sd import build_sd1

    return build_sd1(tmp_path_factory.mktemp("tiny") / "model")


@pytest.fixture(scope="session")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three small photos."""
    pytest.importorskip("PIL")
    from support.tiny_sd import write_photos

    return write_photos(tmp_path_factory.mktemp("photos") / "dog")
