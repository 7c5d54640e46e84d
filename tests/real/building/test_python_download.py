"""A Python that the machine lacks is asked of the machine's own mirror; where that fails, the way out is said."""

from __future__ import annotations

import dataclasses
import sys

import pytest

from dreamboot import host
from dreamboot.building.build import build, site_of
from dreamboot.building.install import create_venv
from dreamboot.building.layout import Layout
from dreamboot.building.target import Target
from dreamboot.model import DreambootError
from support.fault_server import FaultServer
from support.tiny_index import order, pages

pytestmark = pytest.mark.real


def refused(tmp_path, target: Target):
    """The problem of a venv for `target`, which can't be made."""
    layout = Layout(home=tmp_path)
    wanted = dataclasses.replace(order("http://127.0.0.1:9"), target=target)
    site = site_of(host.current(), layout, wanted, layout.environment("tiny").generation(1))
    with pytest.raises(DreambootError) as error:
        list(create_venv(site))
    return error.value.problem


def test_the_mirror_is_asked_and_the_way_out_is_named(tmp_path, monkeypatch):
    # No machine has the free-threaded build of another release by chance.
    other = "3.13t" if sys.version_info[:2] != (3, 13) else "3.14t"
    with FaultServer({}) as mirror:
        monkeypatch.setenv("UV_PYTHON_INSTALL_MIRROR", mirror.url)
        monkeypatch.setenv("UV_PYTHON_INSTALL_DIR", str(tmp_path / "pythons"))
        problem = refused(tmp_path, Target(python=other))
        assert any("cpython-3.1" in path for path in mirror.requests), mirror.requests
    assert problem.id == "venv-failed"
    assert f"Install Python {other} yourself" in problem.hint
    assert "UV_PYTHON_INSTALL_MIRROR" in problem.hint


def test_it_is_asked_for_before_anything_else(tmp_path, monkeypatch):
    """No lock is resolved and no wheel fetched for a Python that can't be had."""
    other = "3.13t" if sys.version_info[:2] != (3, 13) else "3.14t"
    with FaultServer({}) as mirror, FaultServer(pages()) as index:
        monkeypatch.setenv("UV_PYTHON_INSTALL_MIRROR", mirror.url)
        monkeypatch.setenv("UV_PYTHON_INSTALL_DIR", str(tmp_path / "pythons"))
        wanted = dataclasses.replace(order(index.url), target=Target(python=other))
        with pytest.raises(DreambootError) as error:
            list(build(host.current(), Layout(home=tmp_path), wanted))
        assert error.value.problem.id == "venv-failed"
        assert list(index.requests) == []


def test_an_interpreter_that_was_named_is_not_to_be_downloaded(tmp_path):
    problem = refused(tmp_path, Target(python="3.11", python_path=str(tmp_path / "gone")))
    assert "plan --explain" in problem.hint
