"""Downloads: every fault of a real server ends in the right bytes or in a Problem, and what arrived is kept."""

from __future__ import annotations

import hashlib
import os

import pytest

from dreamboot.building import download
from dreamboot.building.access import Access, shown
from dreamboot.building.fetch import cached, fetch
from dreamboot.building.layout import Layout
from dreamboot.building.lock import LockedFile
from dreamboot.model import DreambootError, EventKind
from support.fault_server import FaultServer

BODY = os.urandom(1_500_000)
PATH = "/simple/tiny-1.0-py3-none-any.whl"


def locked(url: str, body: bytes = BODY, *, size: int | None = None, sha256: str = "") -> LockedFile:
    """The lock's entry for `body`."""
    return LockedFile(
        name="tiny",
        version="1.0",
        url=url,
        sha256=sha256 or hashlib.sha256(body).hexdigest(),
        size=len(body) if size is None else size,
    )


@pytest.fixture(autouse=True)
def _quick_retries(monkeypatch):
    """Waits between tries are real, but short."""
    import tenacity

    monkeypatch.setattr(tenacity, "wait_random_exponential", lambda **_: tenacity.wait_fixed(0.01))
    monkeypatch.setattr(download, "READ_SECONDS", 20.0)


@pytest.mark.parametrize(
    "faults",
    [[], ["cut"], ["cut", "cut", "cut"], ["reset"], ["503", "503"], ["wrong"], ["stall:2.5"], ["cut", "wrong"]],
)
@pytest.mark.parametrize("ranges", [True, False])
def test_faults_end_in_the_right_bytes(tmp_path, faults, ranges, monkeypatch):
    if "stall:2.5" in faults:
        monkeypatch.setattr(download, "READ_SECONDS", 1.0)
    layout = Layout(home=tmp_path)
    with FaultServer({PATH: BODY}, {PATH: list(faults)}, ranges=ranges) as server:
        file = locked(server.url + PATH)
        events = list(fetch(layout, [file], Access()))
        assert cached(layout, file).read_bytes() == BODY
        assert server.requests[PATH] >= len(faults) + 1  # more on a machine that is too busy to read in time
    assert events[-1].done == events[-1].total == len(BODY)
    assert all(event.done <= len(BODY) for event in events)


def test_a_cut_line_goes_on_at_that_byte(tmp_path):
    layout = Layout(home=tmp_path)
    with FaultServer({PATH: BODY}, {PATH: ["cut"]}) as server:
        list(fetch(layout, [locked(server.url + PATH)], Access()))
        # What arrived counts in whole chunks: the last, cut one is asked for again.
        (start,) = server.range_starts
        assert len(BODY) // 2 - download.CHUNK < start <= len(BODY) // 2
        assert server.sent[PATH] < len(BODY) + download.CHUNK


def test_what_a_killed_download_left_is_used(tmp_path):
    layout = Layout(home=tmp_path)
    with FaultServer({PATH: BODY}) as server:
        file = locked(server.url + PATH)
        target = cached(layout, file)
        target.parent.mkdir(parents=True)
        target.with_name(target.name + ".partial").write_bytes(BODY[:1_000_000])
        list(fetch(layout, [file], Access()))
        assert target.read_bytes() == BODY
        assert server.sent[PATH] == len(BODY) - 1_000_000


def test_a_second_fetch_asks_nobody(tmp_path):
    layout = Layout(home=tmp_path)
    with FaultServer({PATH: BODY}) as server:
        file = locked(server.url + PATH)
        list(fetch(layout, [file], Access()))
        events = list(fetch(layout, [file], Access()))
        assert server.requests[PATH] == 1
    assert [event.kind for event in events] == [EventKind.LINE]


@pytest.mark.parametrize(
    ("faults", "problem"), [(["404"] * 20, "download-failed"), (["wrong"] * 20, "download-corrupt")]
)
def test_what_never_arrives_is_a_problem(tmp_path, faults, problem):
    layout = Layout(home=tmp_path)
    with FaultServer({PATH: BODY}, {PATH: faults}) as server:
        file = locked(server.url + PATH)
        with pytest.raises(DreambootError) as caught:
            list(fetch(layout, [file], Access()))
    assert caught.value.problem.id == problem
    assert caught.value.problem.hint
    assert not cached(layout, file).exists()


def test_one_bad_file_does_not_lose_the_others(tmp_path):
    layout = Layout(home=tmp_path)
    other = "/simple/other-1.0-py3-none-any.whl"
    with FaultServer({PATH: BODY, other: b"x" * 1000}, {PATH: ["404"] * 20}) as server:
        good = LockedFile(
            name="other",
            version="1.0",
            url=server.url + other,
            size=1000,
            sha256=hashlib.sha256(b"x" * 1000).hexdigest(),
        )
        with pytest.raises(DreambootError):
            list(fetch(layout, [locked(server.url + PATH), good], Access()))
    assert cached(layout, good).exists()


def test_a_local_wheel_is_checked_and_stays_where_it_is(tmp_path):
    layout = Layout(home=tmp_path / "home")
    source = tmp_path / "with space ä" / "tiny-1.0-py3-none-any.whl"
    source.parent.mkdir()
    source.write_bytes(BODY)
    file = locked(source.as_uri(), size=0)
    list(fetch(layout, [file], Access()))
    assert cached(layout, file) == source
    assert not layout.wheels.exists()
    with pytest.raises(DreambootError, match="damaged"):
        list(fetch(layout, [locked(source.as_uri(), sha256="0" * 64)], Access()))
    source.unlink()
    with pytest.raises(DreambootError, match="not where the lock says"):
        list(fetch(layout, [file], Access()))


def test_urls_are_shown_without_credentials():
    assert shown("https://user:secret@host/simple/x.whl?token=abc") == "https://host/simple/x.whl"
