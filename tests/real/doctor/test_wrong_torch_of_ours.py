"""A wrong torch in an environment of ours: a new generation with the planned one; a failed build keeps the old one."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from dreamboot import host
from dreamboot.app.context import Context
from dreamboot.app.doctor_torch import Replacement, environment_of, take_torch
from dreamboot.building import generations
from dreamboot.building.build import build
from dreamboot.building.layout import Layout
from dreamboot.doctor.facts.target import resolve
from support.tiny_index import index, order

pytestmark = pytest.mark.real


@pytest.fixture
def server(monkeypatch):
    with index() as running:
        monkeypatch.setenv("PIP_INDEX_URL", f"{running.url}/simple")
        monkeypatch.setenv("PIP_FIND_LINKS", "")
        yield running


@pytest.fixture
def broken(tmp_path, server):
    """(context, target): a built environment whose torch somebody else's install overwrote."""
    context = Context(host=host.current(), home=tmp_path / "home", confirm=lambda *_: True, yes=True)
    list(build(context.host, Layout(home=context.home), order(server.url)))
    target = resolve(Path(python_of(context)), context.host.environ)
    module = Path(target.own_site[0]) / "torch" / "__init__.py"
    module.unlink()
    module.write_text("raise ImportError('another build')\n")
    return context, target


def python_of(context: Context) -> str:
    used = generations.in_use(context.host, Layout(home=context.home), "tiny")
    assert used is not None
    return used.python


def imports(python: str) -> bool:
    return subprocess.run([python, "-c", "import torch"], capture_output=True, check=False, timeout=60).returncode == 0


def words(steps) -> str:
    """Run to the end; what it returns."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return end.value


def test_it_gets_a_new_generation(broken):
    context, target = broken
    assert not imports(python_of(context))
    assert environment_of(context, target) == "tiny"
    chosen = Replacement(plan=order("").plan, environment="tiny")
    assert "env rollback tiny" in chosen.step(target).changes
    assert words(take_torch(context, target, chosen)) == ""
    assert "generations/2" in python_of(context)
    assert imports(python_of(context))


def test_where_the_build_fails_the_generation_in_use_stays(broken, monkeypatch):
    context, target = broken
    before = python_of(context)
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")
    context.host.remove(Layout(home=context.home).locks)
    chosen = Replacement(plan=order("").plan, environment="tiny")
    failed = words(take_torch(replace(context, host=host.current()), target, chosen))
    assert "could not be resolved" in failed
    assert python_of(context) == before


def test_another_python_is_none_of_ours(broken, tmp_path):
    context, target = broken
    assert environment_of(context, replace(target, prefix=str(tmp_path / "venv"))) == ""
