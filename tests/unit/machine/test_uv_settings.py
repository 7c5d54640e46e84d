"""uv's configuration in pip's terms: files, variables, and both tools together."""

from __future__ import annotations

from typing import Mapping

import pytest

from dreamboot.machine.index import raw
from dreamboot.machine.indexes.uv_settings import parse_uv_config, uv_variables
from support.fake_host import FakeHost


def read(files: Mapping[str, str], environ: Mapping[str, str] = {}):
    return raw(FakeHost(files=files, environ={"HOME": "/home/me", **environ}))


def test_index_tables_and_old_keys() -> None:
    text = """
    find-links = ["/wheels"]
    [[index]]
    name = "torch"
    url = "https://mirror/whl/cu126"
    explicit = true
    [[index]]
    url = "https://company/simple"
    default = true
    [[index]]
    url = "https://more/simple"
    [[index]]
    url = "/flat"
    format = "flat"
    [pip]
    no-index = true
    """
    assert parse_uv_config(text) == {
        "find-links": ("/wheels", "/flat"),
        "index-url": ("https://company/simple",),
        "extra-index-url": ("https://more/simple",),
        "no-index": ("1",),
    }


@pytest.mark.parametrize("text", ["index = 3", "find-links = 7", 'index = ["x"]', "[index]\nurl = 1"])
def test_odd_values_are_left_out(text: str) -> None:
    assert parse_uv_config(text) == {}


def test_the_users_file_wins_over_the_systems() -> None:
    found = read(
        {
            "/etc/uv/uv.toml": 'index-url = "https://system/"',
            "/home/me/.config/uv/uv.toml": 'index-url = "https://user/"',
        }
    )
    assert found.index_url == "https://user/"
    assert found.read_from == ("/etc/uv/uv.toml", "/home/me/.config/uv/uv.toml")


def test_variables() -> None:
    assert uv_variables({"UV_INDEX": "mine=https://x/simple https://y/simple", "UV_NO_INDEX": "false"}) == {
        "extra-index-url": ("https://x/simple", "https://y/simple")
    }
    assert uv_variables({"UV_FIND_LINKS": "/a,/b", "UV_DEFAULT_INDEX": "https://d/"}) == {
        "index-url": ("https://d/",),
        "find-links": ("/a", "/b"),
    }
    assert uv_variables({"UV_DEFAULT_INDEX": "https://new/", "UV_INDEX_URL": "https://old/"})["index-url"] == (
        "https://new/",
    )


def test_no_config_and_a_named_file() -> None:
    files = {"/home/me/.config/uv/uv.toml": 'index-url = "https://user/"', "/mine.toml": 'index-url = "https://mine/"'}
    assert read(files, {"UV_NO_CONFIG": "1"}).index_url == ""
    assert read(files, {"UV_CONFIG_FILE": "/mine.toml"}).index_url == "https://mine/"


def test_pip_comes_first_and_lists_are_joined() -> None:
    found = read(
        {
            "/home/me/.config/pip/pip.conf": "[global]\nindex-url = https://pip/\nfind-links = /a /b",
            "/home/me/.config/uv/uv.toml": 'index-url = "https://uv/"\nfind-links = ["/b", "/c"]',
        }
    )
    assert found.index_url == "https://pip/"
    assert found.find_links == ("/a", "/b", "/c")


def test_a_broken_file_is_a_fault() -> None:
    assert read({"/home/me/.config/uv/uv.toml": "index-url = "}).faults[0].startswith("/home/me/.config/uv/uv.toml: ")
