"""Fixtures of the trainer's tests: a miniature model and photos, built once."""

from __future__ import annotations

from pathlib import Path

import pytest


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
