"""Locks of the real plan, for here and for Windows; a bundle that builds where there is no network at all."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from support.dreamboot import answer, call

pytestmark = pytest.mark.real
WINDOWS = """
os = "windows"
arch = "x86_64"
[[pythons]]
path = 'C:\\\\Python312\\\\python.exe'
version = "3.12.4"
"""


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    return tmp_path_factory.mktemp("locks") / "home"


def test_the_same_plan_gives_the_same_lock(home, tmp_path):
    texts = [answer(home, "build", "--lock-only")["lock"] for _ in range(2)]
    assert texts[0] == texts[1]
    assert 'name = "torch"' in texts[0]
    assert not (home / "envs").exists()


def test_a_lock_for_windows_is_made_here(home, tmp_path):
    stated = tmp_path / "windows.toml"
    stated.write_text(WINDOWS)
    lock = tmp_path / "pylock.toml"
    data = answer(home, "build", "--assume", str(stated), "--lock-only", "-o", str(lock))
    assert data["packages"] > 20
    text = lock.read_text(encoding="utf-8")
    assert "win_amd64" in text
    assert "manylinux" not in text
    refused = call(home, "build", "--assume", str(stated), "--yes", "--json")
    assert json.loads(refused.stdout)["problem"]["id"] == "stated-machine"


def test_a_lock_that_is_none_is_a_problem(home, tmp_path):
    broken = tmp_path / "pylock.toml"
    for text, wanted in (("not [ toml", "lock-unreadable"), ('lock-version = "9"\npackages = []', "lock-unreadable")):
        broken.write_text(text)
        done = call(home, "build", "--locked", str(broken), "--yes", "--json")
        assert json.loads(done.stdout)["problem"]["id"] == wanted


def test_a_bundle_builds_without_any_network(home, tmp_path):
    if subprocess.run(["unshare", "-n", "true"], check=False, capture_output=True).returncode:
        pytest.skip("cutting the network off needs root")
    folder = tmp_path / "bun dle ö"
    made = answer(home, "bundle", "-o", str(folder))
    assert made["files"] > 100
    start = folder / "dreamboot" / "installer" / "bootstrap.py"
    command = ["unshare", "-n", sys.executable, str(start), "--offline", str(folder), "--home", str(tmp_path / "cut")]
    done = subprocess.run([*command, "build", "--yes", "--json"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert json.loads(done.stdout)["environment"]["generation"] == 1
    damaged = folder / "dreamboot" / "pyproject.toml"
    damaged.write_text(damaged.read_text() + "\n# changed\n")
    done = subprocess.run([*command, "env", "list"], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "damaged" in done.stderr
