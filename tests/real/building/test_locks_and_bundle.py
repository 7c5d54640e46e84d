"""Locks of the real plan, for here and for Windows; a bundle that builds where there is no network at all."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from support.dreamboot import answer, call

pytestmark = [pytest.mark.long, pytest.mark.real]
SHORT = (
    "max_train_steps=2", "num_class_images=2", "num_inference_steps=2", "class_inference_steps=2",
    "validation_steps=0", "num_validation_images=1",
)  # fmt: skip
WINDOWS = """
os = "windows"
arch = "x86_64"
[[pythons]]
path = 'C:\\\\Python312\\\\python.exe'
version = "3.12.4"
"""


@pytest.fixture(scope="module")
def empty(tmp_path_factory):
    """A home in which nothing is built; locks are made in it."""
    return tmp_path_factory.mktemp("locks") / "home"


def test_the_same_plan_gives_the_same_lock(empty, tmp_path):
    texts = [answer(empty, "build", "--lock-only")["lock"] for _ in range(2)]
    assert texts[0] == texts[1]
    assert 'name = "torch"' in texts[0]
    assert not (empty / "envs").exists()


def test_a_lock_for_windows_is_made_here(empty, tmp_path):
    stated = tmp_path / "windows.toml"
    stated.write_text(WINDOWS)
    lock = tmp_path / "pylock.toml"
    data = answer(empty, "build", "--assume", str(stated), "--lock-only", "-o", str(lock))
    assert data["packages"] > 20
    text = lock.read_text(encoding="utf-8")
    assert "win_amd64" in text
    assert "manylinux" not in text
    refused = call(empty, "build", "--assume", str(stated), "--yes", "--json")
    assert json.loads(refused.stdout)["problem"]["id"] == "stated-machine"


def test_a_lock_that_is_none_is_a_problem(empty, tmp_path):
    broken = tmp_path / "pylock.toml"
    sha256 = "0" * 64
    evil = (
        'lock-version = "1.0"\n[[packages]]\nname = "torch"\nversion = "2.13.0"\nwheels = [{ name = '
        f'"../../../out-1-py3-none-any.whl", url = "file:///dev/zero", hashes = {{ sha256 = "{sha256}" }} }}]\n'
    )
    broken.write_text(evil)
    done = call(empty, "build", "--locked", str(broken), "--yes", "--json")
    assert done.returncode in (1, 3), done.stdout
    assert set(json.loads(done.stdout)) & {"problem", "refused"}
    for text, wanted in (("not [ toml", "lock-unreadable"), ('lock-version = "9"\npackages = []', "lock-unreadable")):
        broken.write_text(text)
        done = call(empty, "build", "--locked", str(broken), "--yes", "--json")
        assert json.loads(done.stdout)["problem"]["id"] == wanted


def test_a_given_lock_is_what_gets_built(home, tmp_path):
    """The lock goes out as a file and comes back in: the same packages, from the cache, and nothing is resolved."""
    lock = tmp_path / "pylock.toml"
    made = answer(home, "build", "--lock-only", "-o", str(lock))
    built = answer(home, "build", "--locked", str(lock), "--env", "locked", "--offline", "--yes")
    generation = Path(built["path"])
    assert (generation / "pylock.toml").read_text(encoding="utf-8") == lock.read_text(encoding="utf-8")
    assert len(answer(home, "env", "show", "locked")["packages"]) == made["packages"]
    assert answer(home, "env", "diff", "default", "locked")["changed"] == {}
    answer(home, "env", "remove", "locked", "--yes")


def cut_off() -> list[str]:
    """Runs a command where there is no route to anywhere; skips where that can't be had."""
    for words in (["unshare", "-n"], ["unshare", "-rn"]):
        if shutil.which(words[0]) and not subprocess.run([*words, "true"], check=False, capture_output=True).returncode:
            return words
    pytest.skip("no network namespaces here")


def test_a_bundle_goes_the_whole_way_without_any_network(home, tmp_path):
    """Made from the wheels that the session's home has; `up` builds of it and trains, few steps, to exported models."""
    alone = cut_off()
    folder = tmp_path / "bun dle ö"
    made = answer(home, "bundle", "-o", str(folder))
    assert made["files"] > 100
    start = folder / "dreamboot" / "installer" / "bootstrap.py"
    command = [*alone, sys.executable, str(start), "--offline", str(folder), "--home", str(tmp_path / "cut")]
    short = [word for setting in SHORT for word in ("--set", setting)]
    done = subprocess.run([*command, "up", "--yes", "--json", *short], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    data = json.loads(done.stdout)
    assert data["environment"]["generation"] == 1
    assert Path(data["model"]).is_dir()
    assert Path(data["checkpoint"]).stat().st_size > 1_000_000
    damaged = folder / "pylock.toml"
    damaged.write_text(damaged.read_text() + "\n# changed\n")
    done = subprocess.run([*command, "env", "list"], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "damaged" in done.stderr
