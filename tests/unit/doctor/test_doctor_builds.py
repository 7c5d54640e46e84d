"""A home whose build was begun and not finished is named, with the command that goes on."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

INSTALLER = Path(__file__).parents[3] / "installer"


@pytest.fixture
def home(tmp_path):
    """One environment whose first generation has nothing but its folder."""
    (tmp_path / "home/envs/mine/generations/1").mkdir(parents=True)
    return tmp_path / "home"


def row(home):
    command = [sys.executable, "-m", "dreamboot", "--home", str(home), "doctor", "--python", sys.executable, "--json"]
    done = subprocess.run(command, cwd=INSTALLER, capture_output=True, text=True, check=False)
    return next(one for one in json.loads(done.stdout)["findings"] if one["id"] == "builds-finished")


def test_a_begun_build_is_a_warning_with_the_command_that_goes_on(home):
    told = row(home)
    assert told["status"] == "warning"
    assert [step["command"] for step in told["fix"]] == ["dreamboot build --yes --env mine"]


def test_a_build_that_goes_on_right_now_is_none(home):
    (home / "envs/mine/build.holder").write_text(f"{os.getpid()} build")
    assert row(home)["status"] == "ok"


def test_a_holder_that_was_killed_hides_nothing(home):
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    (home / "envs/mine/build.holder").write_text(f"{dead.pid} build")
    assert row(home)["status"] == "warning"


def test_a_home_without_environments_is_in_order(tmp_path):
    assert row(tmp_path)["status"] == "ok"
