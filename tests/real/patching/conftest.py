"""Genuine wheels from the configured package index, fetched once per session; nothing else may stand for them."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Callable

import pytest

Unpack = Callable[[str, str], Path]


@pytest.fixture(scope="session")
def wheel_file(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """ "bitsandbytes==0.34.0" → the wheel's path. Skips where the index can't be reached."""
    folder = tmp_path_factory.mktemp("wheels")

    def get(requirement: str) -> Path:
        place = folder / requirement
        if not place.exists():
            command = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--only-binary", ":all:", "-d"]
            done = subprocess.run([*command, str(place), requirement], capture_output=True, text=True, check=False)
            if done.returncode:
                pytest.skip(f"no package index: {done.stderr.strip()[-200:]}")
        return next(place.glob("*.whl"))

    return get


@pytest.fixture
def unpacked(wheel_file: Callable[[str], Path], tmp_path: Path) -> Callable[[str], Path]:
    """ "bitsandbytes==0.34.0" → a site-packages folder with exactly that wheel's files."""

    def get(requirement: str) -> Path:
        folder = tmp_path / "site"
        with zipfile.ZipFile(wheel_file(requirement)) as archive:
            archive.extractall(folder)
        return folder

    return get
