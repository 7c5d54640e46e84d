"""A wrong torch in an environment of ours: a new generation with the planned one; a failed build keeps the old one."""

from __future__ import annotations

import json
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from dreamboot import host
from dreamboot.app import doctor_torch
from dreamboot.app.context import Context
from dreamboot.app.doctor import Examination, doctor
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


def test_the_new_generation_is_examined_and_the_old_one_left_alone(broken, tmp_path, monkeypatch):
    """Asked by the generation's own path, as the doctor prints it. The plan is stated: the index has one torch."""
    context, target = broken
    site = Path(target.own_site[0])
    (site / "torch" / "__init__.py").write_text("x = 1\n")
    (site / "torch" / "version.py").write_text("__version__ = '2.11.0+cpu'\ncuda = None\nhip = None\n")
    stated = tmp_path / "machine.json"
    gpu = {"vendor": "nvidia", "name": "NVIDIA GeForce RTX 3060", "compute_capability": "8.6"}
    driver = {"vendor": "nvidia", "version": "590.48.01"}
    stated.write_text(json.dumps({"os": "linux", "gpus": [gpu], "drivers": [driver]}))
    context = replace(context, assume=stated)

    def planned(_, facts, **_asked):
        return Replacement(
            plan=order("").plan, environment=environment_of(context, facts.target), requirements=("torch==1.0.0",)
        )

    monkeypatch.setattr(doctor_torch, "replacement_for", planned)
    before = {path.name: path.read_bytes() for path in (site / "torch").glob("*.py")}
    *_, told = doctor(context, Examination(python=Path(target.python), fix=True))
    (first, *_) = told.data["fixed"]
    assert (first["command"], first["done"], first["proven"]) == ("dreamboot build --env tiny", True, True)
    assert "generations/2" in told.data["python"]["path"]
    assert {path.name: path.read_bytes() for path in (site / "torch").glob("*.py")} == before
