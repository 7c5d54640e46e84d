"""uv's configuration in pip's terms: files, variables, and both tools together."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Dict, Mapping

import pytest

from dreamboot.host import current
from dreamboot.machine.asking import Asking
from dreamboot.machine.index import raw
from dreamboot.machine.indexes.uv_settings import parse_uv_config, uv_settings, uv_variables
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


SITUATIONS: Dict[str, Dict[str, str]] = {
    "tables": {
        "user": 'find-links = ["/tmp"]\n[[index]]\nurl = "https://a/simple"\ndefault = true\n[[index]]\nname = "t"\n'
        'url = "https://b/whl"\nexplicit = true\n[[index]]\nurl = "https://c/simple"\n'
        '[[index]]\nurl = "/usr"\nformat = "flat"\n'
    },
    "old keys and the pip table": {
        "user": 'index-url = "https://a/simple"\nextra-index-url = ["https://b/simple"]\n[pip]\nextra-index-url = ["https://c/simple"]\n'
    },
    "system and user": {
        "system": 'extra-index-url = ["https://s/simple"]\nindex-url = "https://i/simple"',
        "user": 'extra-index-url = ["https://u/simple"]\nfind-links = ["/tmp"]',
    },
    "variables": {
        "user": 'extra-index-url = ["https://u/simple"]',
        "UV_EXTRA_INDEX_URL": "https://v/simple https://w/simple",
        "UV_DEFAULT_INDEX": "https://d/simple",
        "UV_FIND_LINKS": "/tmp,/usr",
    },
    "named index": {"UV_INDEX": "mine=https://n/simple"},
}


@pytest.mark.parametrize("name", SITUATIONS)
def test_as_the_real_uv_sees_it(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`--show-settings` prints what uv has read: each index with its URL as given."""
    for variable in [variable for variable in os.environ if variable.startswith(("PIP_", "UV_"))]:
        monkeypatch.delenv(variable)
    for place in ("user", "system"):
        (tmp_path / place / "uv").mkdir(parents=True)
        (tmp_path / place / "uv" / "uv.toml").write_text(SITUATIONS[name].get(place, ""))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "user"))
    monkeypatch.setenv("XDG_CONFIG_DIRS", str(tmp_path / "system"))
    monkeypatch.setenv("HOME", str(tmp_path))
    for variable, text in SITUATIONS[name].items():
        if variable.startswith("UV_"):
            monkeypatch.setenv(variable, text)
    command = [sys.executable, "-m", "uv", "pip", "install", "--show-settings", "x"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, cwd=tmp_path)
    if "No module named" in done.stderr:
        pytest.skip("this interpreter has no uv")
    pattern = r'given: Some\(\s*"([^"]+)",?\s*\).*?explicit: (true|false),\s*default: (true|false).*?format: (\w+)'
    seen = [match.groups() for match in re.finditer(pattern, done.stdout, re.S)]
    found, _, faults = uv_settings(Asking(current(), tmp_path))
    assert faults == ()
    told = {url for option in ("index-url", "extra-index-url", "find-links") for url in found.get(option, ())}
    assert told == {url for url, explicit, _, _ in seen if explicit == "false"}
    defaults = [url for url, _, default, shape in seen if default == "true" and shape == "Simple"]
    assert list(found.get("index-url", ()))[:1] == defaults[:1]
    assert set(found.get("find-links", ())) == {url for url, _, _, shape in seen if shape == "Flat"}
