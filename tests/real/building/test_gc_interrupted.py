"""`env gc` killed at single file operations, and gc, rollback and builds that meet: what is in use stays usable."""

from __future__ import annotations

import json
import random
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from dreamboot import host
from dreamboot.building import generations
from dreamboot.building.build import build
from dreamboot.building.layout import Layout
from support.tiny_index import index, order

pytestmark = pytest.mark.real

ROOT = Path(__file__).resolve().parents[3]
KILLS = 12
SEED = 20221108
# Runs the command line, and kills itself before the Nth removal or renaming; prints how many there were otherwise.
KILLED = """
import os, signal, sys
limit, count = int(sys.argv.pop(1)), 0
def look(event, arguments):
    global count
    if event in ("os.remove", "os.rename", "os.rmdir"):
        count += 1
        if count == limit:
            os.kill(os.getpid(), signal.SIGKILL)
sys.addaudithook(look)
from dreamboot.cli import main
code = main(sys.argv[1:])
print(count, file=sys.stderr)
sys.exit(code)
"""


def changed(url: str, left_out: int, name: str = "tiny"):
    """The same plan without one of the tiny packages: another generation."""
    from dataclasses import replace

    wanted = order(url, name=name)
    packages = {key: text for key, text in wanted.plan.packages.items() if key != f"tiny-{left_out}"}
    return replace(wanted, plan=replace(wanted.plan, packages=packages))


def make(home: Path, wanted) -> None:
    for _ in build(host.current(), Layout(home=home), wanted):
        pass


@pytest.fixture(scope="module")
def server():
    with index() as running:
        yield running


@pytest.fixture(scope="module")
def pattern(tmp_path_factory, server):
    """Two environments; `tiny` has three generations, of which the second is in use."""
    home = tmp_path_factory.mktemp("gc") / "home"
    for wanted in (order(server.url), changed(server.url, 3), changed(server.url, 2), order(server.url, name="other")):
        make(home, wanted)
    generations.switch(host.current(), Layout(home=home).environment("tiny"), 2)
    return home


def gc(home: Path, limit: int = 0) -> subprocess.CompletedProcess[str]:
    """`env gc --keep 1`, killed before its file operation `limit`."""
    command = [sys.executable, "-c", KILLED, str(limit), "--home", str(home), "--json", "env", "gc", "--keep", "1"]
    variables = {**host.current().environ, "PYTHONPATH": str(ROOT / "installer")}
    return subprocess.run(command, env=variables, capture_output=True, text=True, check=False, timeout=120)


def works(home: Path, name: str) -> bool:
    """Whether the environment in use loads, and has its files."""
    built = generations.in_use(host.current(), Layout(home=home), name)
    code = "import torch, ballast, pathlib as p; print(len(list(p.Path(list(ballast.__path__)[0]).glob('*.bin'))))"
    done = subprocess.run([built.python, "-c", code], capture_output=True, text=True, check=False, timeout=60)
    return done.stdout.strip() == "300"


def test_gc_killed_anywhere_leaves_what_is_in_use_and_the_next_one_finishes(pattern, tmp_path):
    whole = tmp_path / "whole"
    shutil.copytree(pattern, whole, symlinks=True, ignore=shutil.ignore_patterns("uv"))
    done = gc(whole)
    assert done.returncode == 0, done.stdout + done.stderr
    operations = int(done.stderr.split()[-1])
    assert operations > 600  # two generations with 300 files of one package alone
    expected = left(whole)
    chance = random.Random(SEED)
    for number in (1, 2, 3, *(chance.randint(4, operations) for _ in range(KILLS - 3))):
        home = tmp_path / f"home-{number}"
        shutil.copytree(pattern, home, symlinks=True, ignore=shutil.ignore_patterns("uv"))
        assert gc(home, number).returncode == -signal.SIGKILL
        assert works(home, "tiny")
        assert works(home, "other")
        assert generations.current_number(host.current(), Layout(home=home).environment("tiny")) == 2
        done = gc(home)
        assert done.returncode == 0, done.stdout + done.stderr
        assert left(home) == expected, f"killed before operation {number}"
        shutil.rmtree(home)


def left(home: Path) -> set[str]:
    """Everything below the home, less compiled files and folders of wheels that are empty."""
    paths = (path for path in home.rglob("*") if "__pycache__" not in path.parts)
    return {str(path.relative_to(home)) for path in paths if path.is_file() or "envs" in path.parts}


def test_gc_and_rollback_are_told_who_builds(pattern, tmp_path, server):
    home = tmp_path / "home"
    shutil.copytree(pattern, home, symlinks=True)
    before = left(home / "envs" / "other")
    building = build(host.current(), Layout(home=home), changed(server.url, 1))
    next(event for event in building if event.stage == "fetch")
    for words in (("gc",), ("rollback", "tiny"), ("remove", "tiny", "--yes")):
        command = [sys.executable, "-m", "dreamboot", "--home", str(home), "--json", "env", *words]
        variables = {**host.current().environ, "PYTHONPATH": str(ROOT / "installer")}
        done = subprocess.run(command, env=variables, capture_output=True, text=True, check=False, timeout=60)
        problem = json.loads(done.stdout)["problem"]
        assert (done.returncode, problem["id"]) == (1, "build-running")
        assert "(dreamboot build)" in problem["cause"]
    for _ in building:
        pass
    assert generations.current_number(host.current(), Layout(home=home).environment("tiny")) == 4
    assert works(home, "tiny")
    assert left(home / "envs" / "other") == before
    assert not (home / "envs" / "tiny" / "build.holder").exists()


def test_wheels_that_go_while_a_build_runs_are_fetched_again(tmp_path, server):
    """A gc that began before this environment was there does not know it, and removes what it has just fetched."""
    building = build(host.current(), Layout(home=tmp_path), order(server.url))
    next(event for event in building if event.stage == "venv")
    shutil.rmtree(tmp_path / "cache" / "wheels")
    shutil.rmtree(tmp_path / "cache" / "uv" / "archive-v0", ignore_errors=True)
    for _ in building:
        pass
    assert works(tmp_path, "tiny")


def test_a_build_says_how_long_it_will_take(tmp_path, server):
    from dataclasses import replace

    from dreamboot.building.access import Access

    wanted = replace(order(server.url), access=Access(bandwidth=2_000_000))
    events = [event for event in build(host.current(), Layout(home=tmp_path), wanted) if event.stage == "fetch"]
    left_over = [event.data["seconds_left"] for event in events if "seconds_left" in event.data]
    assert left_over, "no event tells the time left"
    assert left_over[-1] < left_over[0]
    assert all(event.total for event in events if "seconds_left" in event.data)
