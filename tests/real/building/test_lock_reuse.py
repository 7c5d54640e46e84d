"""A lock is made once a day for the same question; a folder's torch is hashed by us, and the lock is what uv makes."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from pathlib import Path

import pytest

from dreamboot import host
from dreamboot.building import generations, known_locks, local_pages
from dreamboot.building.build import build, site_of
from dreamboot.building.layout import Layout
from dreamboot.building.lock import write_lock
from dreamboot.building.pylock import locked_files
from dreamboot.model import DreambootError
from support.tiny_index import PACKAGES, file_name, index, order, wheel

pytestmark = pytest.mark.real


@pytest.fixture
def server():
    with index() as running:
        yield running


@pytest.fixture
def layout(tmp_path):
    return Layout(home=tmp_path / "home")


def make(layout: Layout, wanted) -> bool:
    """Build; whether the indexes were asked."""
    said = [event.message for event in build(host.current(), layout, wanted) if event.stage == "lock"]
    assert said
    return any(line.startswith("resolving") for line in said)


def pylock(layout: Layout, name: str) -> str:
    return layout.environment(name).generation(1).pylock.read_text()


def test_a_second_environment_takes_the_first_ones_lock(layout, server):
    assert make(layout, order(server.url))
    asked = sum(count for path, count in server.sent.items() if "/simple/" in path)
    assert asked
    assert not make(layout, order(server.url, name="second"))
    assert sum(count for path, count in server.sent.items() if "/simple/" in path) == asked
    assert pylock(layout, "second") == pylock(layout, "tiny")
    # Another question: other requirements, other constraints, another source.
    assert make(layout, order(server.url, name="third", extra=("torch",)))
    assert make(layout, order(server.url, name="fourth", constraints=("numpy<3",)))
    assert make(layout, order(server.url, name="fifth", more=("--index", f"{server.url}/simple")))


@pytest.mark.parametrize("hours", [25, -2])
def test_a_lock_of_yesterday_or_tomorrow_is_made_anew(layout, server, hours):
    """Also where the clock was set back meanwhile; without a network any lock is better than none."""
    make(layout, order(server.url))
    (place,) = layout.locks.iterdir()
    entry = json.loads(place.read_text())
    place.write_text(json.dumps({**entry, "time": time.time() - hours * 3600}))
    assert not make(layout, order(server.url, name="cut off", offline=True))
    assert make(layout, order(server.url, name="second"))


@pytest.mark.parametrize("text", ["", "{", "[]", '{"time": 1}', '{"time": "x", "lock": 5, "local": 0}', "\x00"])
def test_a_damaged_note_is_made_anew(layout, server, text):
    make(layout, order(server.url))
    (place,) = layout.locks.iterdir()
    place.write_text(text)
    assert make(layout, order(server.url, name="second"))
    assert not make(layout, order(server.url, name="third"))


def folder_of_wheels(tmp_path: Path) -> Path:
    folder = tmp_path / "whe els"
    folder.mkdir()
    for name in ("torch", "tiny-0"):
        (folder / file_name(name)).write_bytes(wheel(name, PACKAGES[name]))
    return folder


def test_a_folder_gives_the_files_that_uv_takes_of_it(layout, server, tmp_path):
    folder = folder_of_wheels(tmp_path)
    (folder / file_name("torch", "9.0.0")).write_bytes(wheel("torch", PACKAGES["torch"], "9.0.0"))
    wanted = order(server.url, more=("--find-links", str(folder)))
    make(layout, wanted)
    site = site_of(host.current(), layout, wanted, layout.environment("tiny").generation(1))
    plain = tmp_path / "pylock.plain.toml"
    for _ in write_lock(host.current(), site.resolver, wanted.target, site.generation.requirements, plain):
        pass
    # uv also names where else the same wheel lies; the first is what is taken.
    assert locked_files(pylock(layout, "tiny"), wanted.target) == locked_files(plain.read_text(), wanted.target)
    assert (folder / file_name("torch")).as_uri() in pylock(layout, "tiny")
    assert not (site.generation.path / ".local-index").exists()


def test_where_only_folders_may_be_read_no_index_is_made(layout, server, tmp_path):
    wanted = order(server.url, more=("--find-links", str(folder_of_wheels(tmp_path))))
    site = site_of(host.current(), layout, wanted, layout.environment("tiny").generation(1))
    assert local_pages.planned_torch(site) is not None
    closed = replace(site, order=replace(wanted, sources=("--no-index", *wanted.sources)))
    assert local_pages.planned_torch(closed) is None


@pytest.mark.parametrize("change", ["other wheel", "new wheel", "gone"])
def test_what_changed_in_the_folder_is_noticed(layout, server, tmp_path, change):
    folder = folder_of_wheels(tmp_path)
    wanted = order(server.url, more=("--find-links", str(folder)))
    assert make(layout, wanted)
    assert not make(layout, replace(wanted, name="same"))
    if change == "other wheel":
        # In place, as `cp` writes: the folder's own time does not change.
        with (folder / file_name("torch")).open("r+b") as file:
            file.write(wheel("torch", {**PACKAGES["torch"], "torch/more.py": b"x = 1\n"}))
    elif change == "new wheel":
        (folder / file_name("tiny-1")).write_bytes(wheel("tiny-1", PACKAGES["tiny-1"]))
    else:
        (folder / file_name("torch")).unlink()
    assert make(layout, replace(wanted, name="changed"))
    assert generations.in_use(host.current(), layout, "changed")


def test_a_wheel_that_changes_after_it_was_locked_is_refused(layout, server, tmp_path):
    """Its bytes are hashed beside the install; nothing is switched to before they were."""
    folder = folder_of_wheels(tmp_path)
    building = build(host.current(), layout, order(server.url, more=("--find-links", str(folder))))
    next(event for event in building if event.stage == "venv")
    body = bytearray((folder / file_name("torch")).read_bytes())
    body[60] ^= 1
    (folder / file_name("torch")).write_bytes(body)
    with pytest.raises(DreambootError) as caught:
        list(building)
    assert caught.value.problem.id == "download-corrupt"
    assert generations.in_use(host.current(), layout, "tiny") is None
    assert not list(layout.locks.iterdir())


def test_old_notes_go(layout, server):
    import os

    make(layout, order(server.url))
    (place,) = layout.locks.iterdir()
    os.utime(place, (1, 1))
    known_locks.forget_old(host.current(), layout)
    assert not list(layout.locks.iterdir())
