"""Fixtures of the trainer's tests: a miniature model and photos, built once."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

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


@pytest.fixture(scope="session")
def flow_folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A miniature of each family of flow matching, and each in its other form."""
    pytest.importorskip("torch")
    from support.tiny_flow import build_flux, build_sd3

    place = tmp_path_factory.mktemp("flow")
    return {
        "sd3": build_sd3(place / "sd3"),
        "flux": build_flux(place / "flux"),
        "sd3 without T5": build_sd3(place / "small", t5=False),
        "schnell": build_flux(place / "schnell", guidance=False),
    }


@pytest.fixture
def disk_order(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str]]:
    """What happens to files, in order: forced to disk, renamed."""
    happened: list[tuple[str, str]] = []
    fsync, rename, replace = os.fsync, Path.rename, Path.replace

    def synced(descriptor: int) -> None:
        happened.append(("fsync", Path(os.readlink(f"/proc/self/fd/{descriptor}")).name))
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", synced)
    for name, real in (("rename", rename), ("replace", replace)):

        def named(self: Path, target: Path, real: Any = real) -> Any:
            happened.append(("rename", Path(target).name))
            return real(self, target)

        monkeypatch.setattr(Path, name, named)
    return happened
