"""Constraint files as requirement strings."""

from __future__ import annotations

from pathlib import Path

import pytest

from dreamboot.machine.asking import Asking
from dreamboot.machine.indexes.constraints import local_path, parse_constraints, read_constraints
from support.fake_host import FakeHost


def test_comments_markers_hashes_and_continued_lines() -> None:
    text = (
        "\ufefftorch<=2.14.1  # no newer one\n\n# all of it\nnumpy<2; python_version < '3.12'\n"
        "pillow==10.0 \\\n    --hash=sha256:abc\n-c other.txt\n--requirement=more.txt\n--index-url https://x\n"
        "pkg @ https://h/x#egg\n"
    )
    found, nested = parse_constraints(text, {})
    assert found == ("torch<=2.14.1", "numpy<2; python_version < '3.12'", "pillow==10.0", "pkg @ https://h/x#egg")
    assert nested == ("other.txt", "more.txt")


def test_variables_are_put_in_where_they_are_set() -> None:
    assert parse_constraints("torch<=${NEWEST}\nx==${GONE}", {"NEWEST": "2.9"})[0] == ("torch<=2.9", "x==${GONE}")


def test_files_named_inside_are_followed_once() -> None:
    files = {"/c/a.txt": "-c b.txt\ntorch<3", "/c/b.txt": "-c a.txt\n-c /d.txt\nnumpy<2", "/d.txt": "torch<3"}
    asking = Asking(FakeHost(files=files), Path("/home"))
    assert read_constraints(asking, ("/c/a.txt",)) == (("torch<3", "numpy<2"), ())


def test_what_can_not_be_read_is_a_fault() -> None:
    asking = Asking(FakeHost(), Path("/home"))
    found, faults = read_constraints(asking, ("/gone.txt", "https://u:secret@host/c.txt"))
    assert found == ()
    assert [fault.split(": ")[0] for fault in faults] == ["/gone.txt", "https://u:secret@host/c.txt"]


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("file:///C:/wheels", "C:/wheels"),
        ("file:///opt/my%20wheels", "/opt/my wheels"),
        ("/plain", "/plain"),
        ("x.txt", "x.txt"),
    ],
)
def test_file_urls(name: str, path: str) -> None:
    assert local_path(name) == path
