"""Homes that were moved or renamed and environments that somebody deleted from: the next build notices, and mends."""

from __future__ import annotations

import os
import shutil
import subprocess

import pytest

from dreamboot import host
from dreamboot.building import generations
from dreamboot.building.build import build
from dreamboot.building.layout import Layout
from support.tiny_index import index, order

pytestmark = pytest.mark.real
NOTHING = "already built: nothing to do"


@pytest.fixture(scope="module")
def server():
    with index() as running:
        yield running


def make(layout: Layout, wanted) -> str:
    """Build; the last word."""
    return [event.message for event in build(host.current(), layout, wanted)][-1]


def works(layout: Layout) -> bool:
    built = generations.in_use(host.current(), layout, "tiny")
    done = subprocess.run([built.python, "-c", "import torch, ballast"], capture_output=True, check=False, timeout=60)
    return done.returncode == 0


def test_a_moved_home_is_built_again_and_a_linked_one_is_not(tmp_path, server):
    layout = Layout(home=tmp_path / "one")
    make(layout, order(server.url))
    linked = Layout(home=tmp_path / "link")
    linked.home.symlink_to(layout.home)
    assert make(linked, order(server.url)) == NOTHING
    layout.home.rename(tmp_path / "two")
    moved = Layout(home=tmp_path / "two")
    before = sum(count for path, count in server.sent.items() if path.endswith(".whl"))
    assert make(moved, order(server.url)).endswith("generation 2 is in use")
    assert sum(count for path, count in server.sent.items() if path.endswith(".whl")) == before
    settings = moved.environment("tiny").generation(2).venv / "pip.conf"
    assert str(moved.home) in settings.read_text()
    assert make(moved, order(server.url)) == NOTHING


PARTS = ("venv/lib/*/site-packages/ballast", "venv/bin", "venv", "journal.jsonl", "pylock.toml")


@pytest.mark.parametrize("part", PARTS)
def test_what_was_deleted_by_hand_is_built_again(tmp_path, server, part):
    layout = Layout(home=tmp_path / "home")
    make(layout, order(server.url))
    (victim,) = layout.environment("tiny").generation(1).path.glob(part)
    shutil.rmtree(victim) if victim.is_dir() else victim.unlink()
    assert make(layout, order(server.url)).endswith("generation 2 is in use")
    assert works(layout)
    assert make(layout, order(server.url)) == NOTHING


def test_what_the_user_added_is_no_damage(tmp_path, server):
    layout = Layout(home=tmp_path / "home")
    make(layout, order(server.url))
    (packages,) = layout.environment("tiny").generation(1).path.glob("venv/lib/*/site-packages")
    (packages / "mine.py").write_text("x = 1\n")
    assert make(layout, order(server.url)) == NOTHING


def test_a_deleted_environment_is_made_anew_of_the_cache(tmp_path, server):
    layout = Layout(home=tmp_path / "home")
    make(layout, order(server.url))
    shutil.rmtree(layout.environment("tiny").root)
    before = dict(server.sent)
    assert make(layout, order(server.url)).endswith("generation 1 is in use")
    assert dict(server.sent) == before
    assert works(layout)


def test_a_private_mask_is_kept_and_everything_works(tmp_path, server):
    layout = Layout(home=tmp_path / "home")
    old = os.umask(0o077)
    try:
        make(layout, order(server.url))
    finally:
        os.umask(old)
    assert works(layout)
    assert not layout.environment("tiny").generation(1).pylock.stat().st_mode & 0o077
