"""Killed at random points, with its children or alone, a build ends in the very same files.

A sample of the kills is made each time; DREAMBOOT_KILLS=110 makes the hundred that docs/verified.md tells of.
"""

from __future__ import annotations

import hashlib
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from support.tiny_index import index

pytestmark = pytest.mark.real

BUILD = Path(__file__).resolve().parents[2] / "support" / "tiny_build.py"
KILLS = int(os.environ.get("DREAMBOOT_KILLS", "12"))
# Fixed, so that a failure can be looked at again; the machine's own timing still differs from run to run.
SEED = 20221108
TIMES = ("journal.jsonl", "verified.json", "uv_cache.json")


def start(home: Path, url: str) -> subprocess.Popen[str]:
    """A build in a process group of its own."""
    return subprocess.Popen(
        [sys.executable, str(BUILD), str(home), url], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        start_new_session=True,
    )  # fmt: skip


def finish(home: Path, url: str) -> tuple[str, float]:
    """An undisturbed build: what it said, and its seconds."""
    begun = time.monotonic()
    process = start(home, url)
    said, _ = process.communicate(timeout=120)
    assert process.returncode == 0, said
    return said, time.monotonic() - begun


def content(home: Path) -> dict[str, str]:
    """Hash of every file of the environment, less the home's own path, compiled files, and notes of times.

    uv_cache.json is uv's note of when it saw the wheel; RECORD lists it with its hash.
    """
    root = home / "envs" / "tiny"
    found = {}
    for path in sorted(root.rglob("*")):
        name = str(path.relative_to(root))
        if path.is_file() and "__pycache__" not in path.parts and path.name not in TIMES:
            data = path.read_bytes().replace(str(home).encode(), b"HOME")
            if path.name == "RECORD":
                data = b"".join(line for line in data.splitlines(True) if b"uv_cache.json" not in line)
            found[name] = hashlib.sha256(data).hexdigest()
    return found


def test_every_kill_ends_in_the_same_files(tmp_path):
    chance = random.Random(SEED)
    with index() as server:
        _, seconds = finish(tmp_path / "undisturbed", server.url)
        expected = content(tmp_path / "undisturbed")
        assert len(expected) > 350
        killed, homes, stages = 0, 0, set()
        while killed < KILLS:
            home = tmp_path / f"home-{homes}"
            homes += 1
            for _ in range(chance.randint(1, 8)):
                killed += kill_once(home, server.url, chance.uniform(0.05, seconds), chance, stages)
            said, _ = finish(home, server.url)
            assert content(home) == expected, f"after {killed} kills, seed {SEED}:\n{said}"
    assert killed >= KILLS
    # The kills were spread over the build.
    assert len({"lock", "fetch", "install", "verify"} & stages) >= (4 if KILLS >= 100 else 1), stages


def kill_once(home: Path, url: str, after: float, chance: random.Random, stages: set[str]) -> int:
    """Start a build and kill it after some time; 1 when it was still running."""
    process = start(home, url)
    try:
        process.wait(timeout=after)
        process.communicate()
        return 0
    except subprocess.TimeoutExpired:
        if chance.random() < 0.7:
            os.killpg(process.pid, signal.SIGKILL)
        else:
            process.kill()  # uv or a child of the check may live on, and write into the environment
    said, _ = process.communicate()
    words = said.split("\n")[-2].split() if said.count("\n") else []
    stages.update(words[1:2])
    return 1


def test_two_builders_at_once_are_told_apart(tmp_path):
    with index({f"/files/{name}": ["stall:3"] for name in ("ballast-1.0.0-py3-none-any.whl",)}) as server:
        first = start(tmp_path, server.url)
        for line in first.stdout:
            if line.startswith("started"):
                break
        second = start(tmp_path, server.url)
        said, _ = second.communicate(timeout=60)
        assert second.returncode == 1
        assert "build-running" in said
        first.communicate(timeout=60)
        assert first.returncode == 0
        assert "already built" in finish(tmp_path, server.url)[0]
