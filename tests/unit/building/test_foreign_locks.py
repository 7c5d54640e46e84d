"""Locks that strangers wrote: nothing in them leads out of the cache, runs code, or ends in a traceback."""

from __future__ import annotations

from typing import Any

import pytest

from dreamboot.building import pylock
from dreamboot.building.access import Access
from dreamboot.building.fetch import cached, check_local
from dreamboot.building.layout import Layout
from dreamboot.building.lock import LockedFile, hashed_requirements
from dreamboot.building.pylock import locked_files
from dreamboot.building.target import Target
from dreamboot.model import DreambootError

SHA = "a" * 64
WHEEL = "p-1-py3-none-any.whl"
TARGET = Target(python="3.11")


def text(*, name: str = "p", version: str = "1", wheel: str = "", head: str = 'lock-version = "1.0"') -> str:
    """A lock of one package; every part can be another one."""
    wheel = wheel or f'{{ url = "https://h/{WHEEL}", size = 5, hashes = {{ sha256 = "{SHA}" }} }}'
    return f'{head}\n[[packages]]\nname = "{name}"\nversion = "{version}"\nwheels = [{wheel}]\n'


def entry(url: str = f"https://h/{WHEEL}", sha256: str = SHA, more: str = "") -> str:
    """One wheel of a lock."""
    return f'{{ url = "{url}", hashes = {{ sha256 = "{sha256}" }}{more} }}'


@pytest.mark.parametrize(
    "lock",
    [
        text(wheel=entry(f"https://h/..%2f..%2f..%2fout%2f{WHEEL}")),
        text(wheel=entry("https://h/p-1-1%2f..%2f..%2f..%2fx-py3-none-any.whl")),
        text(wheel=entry("https://h/p-1-1%5c..%5cx-py3-none-any.whl")),
        text(wheel=entry(more=', name = "../../p-1-py3-none-any.whl"')),
        text(wheel=entry(sha256="../../../../out")),
        text(wheel=entry(sha256="a" * 63)),
        text(name="p\\n--index-url http://evil\\nq"),
        text(name="p @ file:///tmp/evil"),
        text(version="1 --hash=sha256:00"),
        text(version="1\\n-e /tmp/evil"),
        text(wheel=entry("ftp://h/" + WHEEL)),
        text(wheel=entry("https://joe:s3cret-word@h/" + WHEEL)),
        text(wheel=entry(more=', size = "much"')),
        text(wheel=entry(more=", size = -1")),
        text(wheel=entry(f"https://h/{WHEEL.replace('p-', 'q-')}")),
        text(wheel=entry(f"https://h/{WHEEL.replace('-1-', '-2-')}")),
        text() + text(head=""),
        text(wheel='"a string"'),
        'lock-version = "1.0"\npackages = ["p"]',
        'lock-version = "1.0"\n[[packages]]\nversion = "1"\nwheels = []',
        'lock-version = "1.0"\n[[packages]]\nname = "p"\nwheels = 5',
        text(wheel=f'{{ url = "https://h/{WHEEL}", hashes = "none" }}'),
        text(head='lock-version = "1.0"\nrequires-python = ">=3.12"'),
        text(head='lock-version = "1.0"\nrequires-python = "soon"'),
    ],
)
def test_is_refused_with_a_sentence(lock: str) -> None:
    with pytest.raises(DreambootError) as caught:
        locked_files(lock, TARGET)
    assert caught.value.problem.hint
    assert "s3cret-word" not in repr(caught.value.problem)


@pytest.mark.parametrize("url", ["https://h/download/77", "https://h/..%2f..%2f..%2fout%2fx.whl"])
def test_another_name_than_the_address_ends_in_is_kept(tmp_path: Any, url: str) -> None:
    (file,) = locked_files(text(wheel=entry(url, more=f', name = "{WHEEL}"')), TARGET)
    assert file.filename == WHEEL
    assert cached(Layout(home=tmp_path), file) == tmp_path / "cache" / "wheels" / "aa" / SHA / WHEEL


def test_upper_case_hashes_are_the_same_hashes() -> None:
    lock = text(wheel=entry(sha256=SHA.upper()))
    assert pylock.hashes(lock) == (SHA,)
    assert hashed_requirements(locked_files(lock, TARGET)) == f"p==1 --hash=sha256:{SHA}\n"


@pytest.mark.parametrize("lock", ["packages = 5", 'lock-version = "1.0"\npackages = ["p"]', text(wheel='"a string"')])
def test_summaries_of_broken_locks_are_empty(lock: str) -> None:
    assert pylock.hashes(lock) == ()
    assert pylock.versions(lock) in ({}, {"p": "1"})


@pytest.mark.parametrize("path", ["/dev/zero", "/proc/self/mem", "/"])
def test_a_local_file_that_is_none_is_not_read_for_ever(path: str) -> None:
    file = LockedFile(name="p", version="1", url=f"file://{path}", sha256=SHA)
    with pytest.raises(DreambootError) as caught:
        check_local(file)
    assert caught.value.problem.id == "wheel-missing"


def test_logins_stay_out_of_the_session_of_another_host() -> None:
    assert Access().login_for("https://evil/") is None
