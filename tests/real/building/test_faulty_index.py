"""Whole builds from an index that stalls, resets, cuts, lies and drips; and from the next one when it gives up."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from dreamboot import host
from dreamboot.building import download, generations
from dreamboot.building.build import build
from dreamboot.building.layout import Layout
from dreamboot.model import DreambootError
from support.fault_server import FaultServer
from support.tiny_index import PACKAGES, file_name, index, order, pages

pytestmark = pytest.mark.real
BUILD = Path(__file__).resolve().parents[2] / "support" / "tiny_build.py"
BALLAST = f"/files/{file_name('ballast')}"
WHEELS = [f"/files/{file_name(name)}" for name in PACKAGES]


@pytest.fixture(autouse=True)
def _impatient(monkeypatch):
    """Waits between tries are real, but short; so is the silence after which a server is asked again."""
    import tenacity

    monkeypatch.setattr(tenacity, "wait_random_exponential", lambda **_: tenacity.wait_fixed(0.02))
    monkeypatch.setattr(download, "READ_SECONDS", 1.0)


def built(layout: Layout, wanted) -> list[str]:
    """Build; what was said."""
    return [event.message for event in build(host.current(), layout, wanted)]


def installed(layout: Layout) -> str:
    """Hash of the largest package's files."""
    number = generations.in_use(host.current(), layout, "tiny").generation
    venv = layout.environment("tiny").generation(number).venv
    digest = hashlib.sha256()
    for path in sorted(venv.rglob("ballast/*.bin")):
        digest.update(path.read_bytes())
    return digest.hexdigest()


@pytest.mark.parametrize(
    "fault", ["reset", "503", "cut", "wrong", "stall:2", "drip:20"], ids=lambda text: text.split(":")[0]
)
def test_every_wheel_fails_once(tmp_path, fault):
    """uv reads each wheel once for its metadata (it repeats that itself), then we download it."""
    layout = Layout(home=tmp_path)
    with index() as server:
        wanted = order(server.url)
        events = build(host.current(), layout, wanted)
        for event in events:
            if event.stage == "lock" and event.kind.value == "finished":
                for path in WHEELS:
                    server.faults[path] = [fault]
    expected = b"".join(PACKAGES["ballast"][name] for name in sorted(PACKAGES["ballast"]))
    assert installed(layout) == hashlib.sha256(expected).hexdigest()


def gone(path: str) -> dict[str, list[str]]:
    """An index that answers 503 for one file, always; uv may read its metadata first."""
    return {path: ["503"] * 100}


def test_a_file_that_one_source_refuses_comes_from_the_next(tmp_path):
    layout = Layout(home=tmp_path)
    with index() as good, index() as bad:
        wanted = order(bad.url, more=("--index", f"{good.url}/simple", "--index-strategy", "first-index"))
        # The lock names files of the first index that has them; then that one stops giving any.
        said = []
        refusing = ""
        for event in build(host.current(), layout, wanted):
            said.append(event.message)
            if event.stage == "lock" and event.kind.value == "finished":
                text = next(layout.environment("tiny").generations.glob("*/pylock.toml")).read_text()
                refusing = bad.url if bad.url in text else good.url
                for path in WHEELS:
                    (bad if refusing == bad.url else good).faults[path] = ["404"] * 50
        other = good.url if refusing == bad.url else bad.url
        assert any(f"Going on with {other}" in line for line in said), said
    assert installed(layout)


def test_no_source_has_it(tmp_path):
    layout = Layout(home=tmp_path)
    with index() as server:
        with pytest.raises(DreambootError) as caught:
            for event in build(host.current(), layout, order(server.url)):
                if event.stage == "lock" and event.kind.value == "finished":
                    server.faults[BALLAST] = ["wrong"] * 100
        assert caught.value.problem.id == "download-corrupt"
        assert generations.in_use(host.current(), layout, "tiny") is None
        server.faults.clear()
        built(layout, order(server.url))
    assert installed(layout)


def test_a_wheel_damaged_in_the_cache_is_fetched_again(tmp_path):
    layout = Layout(home=tmp_path)
    with index() as server:
        built(layout, order(server.url, name="first"))
        (wheel,) = layout.wheels.rglob("ballast*.whl")
        wheel.write_bytes(os.urandom(wheel.stat().st_size))
        host.current().remove(layout.uv_cache)
        said = built(layout, order(server.url))
    assert any("damaged in the cache" in line for line in said), said
    assert installed(layout)


def inodes(paths) -> dict[str, int]:
    """Package and file name → inode."""
    return {f"{path.parent.name}/{path.name}": path.stat().st_ino for path in paths}


def test_what_has_arrived_is_unpacked_while_the_rest_still_comes(tmp_path):
    layout = Layout(home=tmp_path)
    generation = layout.environment("tiny").generation(1)
    seen: dict[str, int] = {}
    with index() as server:
        for event in build(host.current(), layout, order(server.url)):
            if event.stage == "lock" and event.kind.value == "finished":
                server.faults[BALLAST] = ["stall:3"]
            if event.stage == "fetch" and not list(layout.wheels.rglob("ballast*.whl")):
                seen.update(inodes(generation.path.rglob(".unpacking/*/*/*.py")))
    assert seen
    # The same inode: the install linked what was unpacked before, and did not unpack it again.
    assert seen.items() <= inodes(generation.venv.rglob("site-packages/*/*.py")).items()
    assert not list(generation.path.glob("*unpacking*"))


def test_a_kill_while_unpacking_leaves_nothing_behind(tmp_path):
    """Also where nothing is left to download: another environment has fetched the same wheels meanwhile."""
    layout = Layout(home=tmp_path)
    generation = layout.environment("tiny").generation(1)
    with index({BALLAST: ["stall:30"] * 3}) as server:
        command = [sys.executable, str(BUILD), str(tmp_path), server.url]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True)
        while not list(generation.path.glob(".unpacking/*")):
            assert process.poll() is None
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        server.faults.clear()
        built(layout, order(server.url, name="other"))
        built(layout, order(server.url))
    assert installed(layout)
    other = layout.environment("other").generation(1)
    assert {path.name for path in generation.path.iterdir()} == {path.name for path in other.path.iterdir()}


def test_a_limit_on_bandwidth_is_kept(tmp_path):
    import time

    from dreamboot.building.access import Access
    from dreamboot.building.fetch import fetch
    from dreamboot.building.lock import LockedFile

    body = os.urandom(400_000)
    path = "/files/p-1-py3-none-any.whl"
    with FaultServer({path: body, **pages()}) as server:
        file = LockedFile(name="p", version="1", url=server.url + path, sha256=hashlib.sha256(body).hexdigest())
        begun = time.monotonic()
        events = list(fetch(Layout(home=tmp_path), [file], Access(bandwidth=200_000)))
        assert 1.5 < time.monotonic() - begun < 6
    assert any(event.data.get("bytes_per_second", 0) for event in events)
