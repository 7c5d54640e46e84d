"""Rows proposed from an index's listing."""

from __future__ import annotations

import json
from datetime import date

from dreamboot import catalog
from dreamboot.catalog.refresh import new_rows, wheels_of

FILES = (
    "torch-2.15.0-cp312-cp312-manylinux_2_28_x86_64.whl",
    "torch-2.16.0-cp312-cp312-manylinux_2_34_x86_64.whl",
    "torch-2.16.0-cp313-cp313-manylinux_2_34_x86_64.whl",
    "torch-2.16.0-cp314-cp314t-manylinux_2_34_x86_64.whl",
    "torch-2.16.0-cp312-cp312-win_amd64.whl",
    "torch-2.16.0-cp312-none-macosx_15_0_arm64.whl",
    "torch-2.17.0rc1-cp312-cp312-manylinux_2_34_x86_64.whl",
    "torch-1.0.0-cp37-cp37m-manylinux1_x86_64.whl",
)


def test_both_forms_of_a_listing_are_read_without_yanked_files() -> None:
    page = "".join(f'<a href="../{name}#sha256=0">{name.replace("+", "%2B")}</a>' for name in FILES)
    page += '<a href="x" data-yanked="broken">torch-2.16.1-cp312-cp312-win_amd64.whl</a>'
    page += '<a href="y">torch-2.16.0.tar.gz</a>'
    assert wheels_of(page) == FILES
    files = [{"filename": name} for name in FILES] + [{"filename": "torch-2.16.1-py3-none-any.whl", "yanked": True}]
    assert wheels_of(json.dumps({"files": files})) == FILES


def test_a_new_release_becomes_a_row_that_says_what_is_left_to_fill_in() -> None:
    rows = list(new_rows("torch", FILES, catalog.load(), date(2027, 1, 2)))
    assert [row["torch"] for row in rows] == ["2.16.0"]
    row = rows[0]
    assert row["python"] == ["3.12", "3.13"]
    assert row["python_by_platform"] == {"windows-x86_64": ["3.12"], "macos-aarch64": ["3.12"]}
    assert row["free_threaded"] == ["3.14t"]
    assert (row["glibc"], row["macos"]) == ("2.34", "15.0")
    assert row["default"] == {"linux-x86_64": "FILL IN", "windows-x86_64": "FILL IN", "macos-aarch64": "FILL IN"}
    assert row["source"] == ["files of torch on the package index, listed 2027-01-02"]


def test_local_tags_of_the_pytorch_index_are_listed() -> None:
    wheels = ["torch-2.16.0+cu134-cp312-cp312-win_amd64.whl", "torch-2.16.0+cpu-cp312-cp312-win_amd64.whl"]
    row = next(new_rows("torch", wheels, catalog.load(), date(2027, 1, 2)))
    assert row["index"] == {"FILL IN": ["cpu", "cu134"]}


def test_what_the_catalog_has_gives_no_row() -> None:
    assert not list(new_rows("torch", FILES[:1], catalog.load(), date(2027, 1, 2)))


def test_a_companion() -> None:
    wheels = ["bitsandbytes-0.51.0-py3-none-manylinux_2_24_x86_64.whl", "bitsandbytes-0.51.0-py3-none-win_amd64.whl"]
    row = next(new_rows("bitsandbytes", wheels, catalog.load(), date(2027, 1, 2)))
    assert row["platforms"] == ["linux-x86_64", "windows-x86_64"]
