"""Environments for the doctor's real tests, made with uv by the tests themselves."""

from __future__ import annotations

from importlib.metadata import version

import pytest
from world import PYTHON, STACK, Env, clone, run, uv


@pytest.fixture(scope="session")
def bare(tmp_path_factory):
    """An environment with pip and nothing else."""
    prefix = tmp_path_factory.mktemp("bare") / "venv"
    run(uv(), "venv", "-q", "--seed", "--python", PYTHON, str(prefix))
    return prefix


@pytest.fixture(scope="session")
def stack(tmp_path_factory):
    """The CPU training stack, as it is installed for users."""
    prefix = tmp_path_factory.mktemp("stack") / "venv"
    run(uv(), "venv", "-q", "--seed", "--python", PYTHON, str(prefix))
    run(uv(), "pip", "install", "-q", "--python", str(prefix / "bin/python"), *STACK, f"torch=={version('torch')}")
    return prefix


@pytest.fixture
def small(tmp_path, bare):
    return Env(tmp_path, clone(bare, tmp_path / "venv"))


@pytest.fixture
def full(tmp_path, stack):
    return Env(tmp_path, clone(stack, tmp_path / "venv"))
