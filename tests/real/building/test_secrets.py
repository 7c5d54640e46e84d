"""A company's index with a login: used for building, and nowhere to be found afterwards."""

from __future__ import annotations

import stat
from dataclasses import replace
from pathlib import Path

import pytest

from dreamboot import host
from dreamboot.building import generations
from dreamboot.building.access import Access
from dreamboot.building.build import build
from dreamboot.building.layout import Layout
from dreamboot.building.sources import sources
from dreamboot.model import DreambootError
from support.tiny_index import index, order

pytestmark = pytest.mark.real
USER, PASSWORD = "joe", "s3cr@t/pass word"
SPELT = ("s3cr@t/pass word", "s3cr%40t%2Fpass%20word", "s3cr%40t")


def with_login(url: str, login: str):
    """The order for an index at `url`, which is written with `login` in it."""
    found = sources(host.current(), ("--default-index", url.replace("://", f"://{login}") + "/simple"))
    access = Access(logins=found.logins)
    return replace(order(url), sources=found.arguments, secrets=found.variables, access=access)


def leaks(home: Path) -> list[Path]:
    """Files that hold the password."""
    return [
        path
        for path in home.rglob("*")
        if path.is_file() and any(secret.encode() in path.read_bytes() for secret in SPELT)
    ]


def run(layout: Layout, wanted) -> str:
    """Build; everything that was said."""
    return "\n".join(repr(event) for event in build(host.current(), layout, wanted)) + repr(wanted)


@pytest.mark.parametrize("place", ["url", "netrc", "keyring"])
def test_it_is_used_and_told_to_nobody(tmp_path, monkeypatch, place):
    layout = Layout(home=tmp_path / "home")
    login = ""
    with index(login=(USER, PASSWORD)) as server:
        if place == "url":
            login = f"{USER}:s3cr%40t%2Fpass%20word@"
        elif place == "netrc":
            netrc = tmp_path / "netrc"
            netrc.write_text(f'machine 127.0.0.1 login {USER} password "{PASSWORD}"\n')
            netrc.chmod(0o600)
            monkeypatch.setenv("NETRC", str(netrc))
        else:
            login = f"{USER}@"
            program = tmp_path / "bin" / "keyring"
            program.parent.mkdir()
            program.write_text(f'#!/bin/sh\n[ "$1 $3" = "get {USER}" ] && echo "{PASSWORD}"\n')
            program.chmod(program.stat().st_mode | stat.S_IXUSR)
            monkeypatch.setenv("PATH", str(program.parent), prepend=":")
        said = run(layout, with_login(server.url, login))
    assert generations.in_use(host.current(), layout, "tiny").generation == 1
    assert not any(secret in said for secret in SPELT)
    assert leaks(layout.home) == []


def test_a_wrong_login_is_a_problem_that_does_not_name_it(tmp_path):
    layout = Layout(home=tmp_path)
    with index(login=(USER, PASSWORD)) as server, pytest.raises(DreambootError) as caught:
        run(layout, with_login(server.url, f"{USER}:wr0ng-one@"))
    problem = caught.value.problem
    assert problem.id == "index-login", problem
    assert "wr0ng-one" not in repr(problem)
    assert not [path for path in tmp_path.rglob("*") if path.is_file() and b"wr0ng-one" in path.read_bytes()]
