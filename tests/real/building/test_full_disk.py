"""A disk that fills up in any stage: said so, nothing half made, and after making room the same call goes on."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from dreamboot import host
from dreamboot.building import generations, space
from dreamboot.building.build import build
from dreamboot.building.layout import Layout
from dreamboot.model import DreambootError, EventKind
from support.tiny_index import index, order

pytestmark = pytest.mark.real

SIZE_MIB = 64


@pytest.fixture
def disk(tmp_path):
    """A file system of its own, small enough to be filled."""
    place = tmp_path / "disk"
    place.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={SIZE_MIB}m", "tmpfs", str(place)], capture_output=True, check=False
    ).returncode  # fmt: skip
    if mounted != 0:
        pytest.skip("mounting a small file system needs root")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


def fill(place: Path) -> Path:
    """Take every free block; the file to remove in order to have room again."""
    filler = place / "filler"
    with filler.open("wb", buffering=0) as file:
        for size in (1 << 20, 1 << 12):
            try:
                while True:
                    file.write(b"\0" * size)
            except OSError:
                continue
    return filler


@pytest.mark.parametrize("stage", ["lock", "fetch", "venv", "install", "verify"])
def test_full_in_a_stage(disk, stage, monkeypatch):
    monkeypatch.setattr(space, "SPARE_BYTES", 0)
    layout = Layout(home=disk / "home")
    with index() as server:
        events = build(host.current(), layout, order(server.url))
        with pytest.raises(DreambootError) as caught:
            for event in events:
                if event.kind is EventKind.STARTED and event.stage == stage:
                    filler = fill(disk)
        assert caught.value.problem.id in ("disk-full", "disk-space"), caught.value.problem
        assert generations.in_use(host.current(), layout, "tiny") is None
        filler.unlink()
        for _ in build(host.current(), layout, order(server.url)):
            pass
    assert generations.in_use(host.current(), layout, "tiny").generation == 1


def test_too_small_a_disk_is_refused_before_the_first_byte(disk):
    layout = Layout(home=disk / "home")
    with index() as server:
        with pytest.raises(DreambootError) as caught:
            list(build(host.current(), layout, order(server.url)))
        assert caught.value.problem.id == "disk-space"
        assert not [path for path in server.requests if path.endswith(".whl")]
    assert not layout.wheels.exists()


def test_every_path_is_asked_for_on_its_own(disk, tmp_path):
    """Downloads on one disk, the environment on another: the full one is named."""
    needs = (
        space.Need(path=tmp_path / "here", purpose="downloads", bytes=1),
        space.Need(path=disk / "there", purpose="the environment", bytes=SIZE_MIB << 20),
    )
    with pytest.raises(DreambootError, match="disk that holds") as caught:
        space.require_space(host.current(), needs)
    assert str(disk) in caught.value.problem.what
    assert "the environment" in caught.value.problem.cause
    assert "downloads" not in caught.value.problem.cause
    assert os.path.ismount(disk)
