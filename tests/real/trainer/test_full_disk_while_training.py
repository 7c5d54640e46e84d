"""A real disk that fills up while a run writes its checkpoints: told, nothing lost, and the same command goes on."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")

from test_kill import assert_equal_ends, make_run, start

from support.tiny_sd import build_sd1, write_photos

pytestmark = [pytest.mark.real, pytest.mark.trainer]


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A mounted disk of 256 MiB."""
    place = tmp_path / "small disk"
    place.mkdir()
    if os.geteuid() != 0:
        pytest.skip("only root can mount a small disk")
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256m", "tmpfs", str(place)], check=False)
    if mounted.returncode:
        pytest.skip("this machine lets nobody mount a disk")
    yield place
    subprocess.run(["umount", str(place)], check=True)


def fill(place: Path) -> Path:
    """A file that leaves no room."""
    filler = place / "filler"
    with filler.open("wb") as file:
        try:
            while True:
                file.write(bytes(2**20))
                file.flush()
        except OSError:
            pass
    return filler


def test_a_full_disk_at_a_checkpoint_is_told_and_the_same_command_goes_on(tmp_path: Path, small_disk: Path) -> None:
    build_sd1(tmp_path / "model")
    write_photos(tmp_path / "photos")
    whole = make_run(tmp_path, tmp_path / "whole")
    assert start(whole, lambda _: False) == 0
    run = make_run(tmp_path, small_disk / "run")
    filler: list[Path] = []
    said: list[dict[str, Any]] = []

    def fill_after_four(record: dict[str, Any]) -> bool:
        said.append(record)
        if not filler and record["event"] == "progress" and record["stage"] == "train" and record["done"] == 4:
            filler.append(fill(small_disk))
        return False

    assert start(run, fill_after_four) == 1
    problem = said[-1]["problem"] if "problem" in said[-1] else said[-1]["data"]["problem"]
    # The look before the checkpoint tells it, or a sample that is written first.
    told = {"disk-full": "found 0.00 GB free", "cannot-write": "No space left on device"}
    assert told[problem["id"]] in problem["cause"]
    assert problem["hint"]
    complete = [path.name for path in (run / "checkpoints").glob("step-*") if not path.name.endswith(".partial")]
    # The run goes on while the disk is being filled, so a fast one writes the next checkpoint before there is no room.
    assert complete in (["step-000003"], ["step-000006"])
    filler[0].unlink()
    assert start(run, lambda _: False) == 0
    assert_equal_ends(run, whole)
