"""`dreamboot env` from its words to its JSON, its sentences and its dry run, on an environment that was built."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace

import pytest

from dreamboot import host
from dreamboot.building import generations
from dreamboot.building.build import build, is_current
from dreamboot.building.layout import Layout
from dreamboot.cli import main
from support.tiny_index import index, order

pytestmark = pytest.mark.real


@pytest.fixture(scope="module")
def server():
    with index() as running:
        yield running


@pytest.fixture(scope="module")
def pattern(tmp_path_factory, server):
    """A home whose environment `tiny` has two generations; copied for each test, links and all."""
    layout = Layout(home=tmp_path_factory.mktemp("pattern") / "home")
    for wanted in (order(server.url), smaller(server.url)):
        for _ in build(host.current(), layout, wanted):
            pass
    return layout.home


def smaller(url: str):
    """The same plan without one package."""
    wanted = order(url)
    packages = {name: text for name, text in wanted.plan.packages.items() if name != "tiny-3"}
    return replace(wanted, plan=replace(wanted.plan, packages=packages))


@pytest.fixture
def home(pattern, tmp_path):
    for part in ("envs", "cache/wheels"):
        # Without the notes of where it was built: a copy elsewhere is one that was moved.
        ignore = shutil.ignore_patterns("contents.txt")
        shutil.copytree(pattern / part, tmp_path / "home" / part, symlinks=True, ignore=ignore)
    return tmp_path / "home"


@pytest.fixture
def env(home, capsys):
    """Runs `dreamboot env WORDS`; (exit code, JSON document or text)."""

    def call(*words: str, plain: bool = False):
        code = main(["--home", str(home), "--yes", *(() if plain else ("--json",)), "env", *words])
        said = capsys.readouterr()
        return code, said.out + said.err if plain else json.loads(said.out)

    return call


def files(home) -> set[str]:
    return {str(path.relative_to(home)) for path in home.rglob("*")}


def pointer(home) -> str:
    return (home / "envs" / "tiny" / "current").read_text().strip()


def test_list_and_show(env, home):
    code, said = env("list")
    (entry,) = said["environments"]
    assert (code, entry["name"]) == (0, "tiny")
    assert [(one["number"], one["current"], one["complete"]) for one in entry["generations"]] == [
        (1, False, True), (2, True, True),
    ]  # fmt: skip
    assert "in use" in env("list", plain=True)[1]
    code, said = env("show", "tiny")
    assert (code, said["environment"]["generation"], said["packages"]["torch"]) == (0, 2, "1.0.0")
    assert set(said["seconds"]) >= {"Lock", "Fetch", "InstallLocked", "Verify", "Switch"}
    assert "torch 1.0.0" in env("show", "tiny", plain=True)[1]
    assert env("show", "nobody")[1]["problem"]["id"] == "environment-missing"


def test_diff(env):
    code, said = env("diff", "tiny@1", "tiny@2")
    assert (code, said["changed"]) == (0, {"tiny-3": {"from": "1.0.0", "to": None}})
    assert "tiny-3: 1.0.0 -> -" in env("diff", "tiny@1", "tiny", plain=True)[1]
    assert "No difference" in env("diff", "tiny", "tiny@2", plain=True)[1]
    assert env("diff", "tiny@1", "tiny@9")[1]["problem"]["id"] == "generation-missing"


def test_rollback(env, home):
    assert env("rollback", "tiny", "--dry-run") == (0, {"schema": 1, "from": 2, "to": 1})
    assert pointer(home) == "2"
    assert env("rollback", "tiny") == (0, {"schema": 1, "from": 2, "to": 1})
    assert pointer(home) == "1"
    assert env("rollback", "tiny")[1]["problem"]["id"] == "nothing-to-roll-back"
    assert "generation 2 is in use" in env("rollback", "tiny", "--to", "2", plain=True)[1]
    assert env("rollback", "tiny", "--to", "7")[0] == 1


@pytest.mark.parametrize("text", ["", "\u00b2", "9" * 20, "\udc80\udcff"])
def test_a_pointer_that_says_nonsense(env, home, text, server):
    (home / "envs" / "tiny" / "current").write_bytes(text.encode("utf-8", "surrogateescape"))
    assert env("show", "tiny")[1]["problem"]["id"] == "environment-missing"
    assert not any(entry["current"] for entry in env("list")[1]["environments"][0]["generations"])
    # What the pointer said is lost; nothing that was built is.
    assert env("gc", "--keep", "1")[0] == 0
    assert [one["number"] for one in env("list")[1]["environments"][0]["generations"]] == [2]
    assert env("rollback", "tiny") == (0, {"schema": 1, "from": None, "to": 2})
    assert is_current(host.current(), Layout(home=home), smaller(server.url))


def test_repair(env, home):
    before = files(home)
    code, said = env("repair", "tiny", "--dry-run")
    assert (code, len(said["steps"])) == (0, 7)
    assert files(home) == before
    code, said = env("repair", "tiny")
    assert (code, said["environment"]["generation"]) == (0, 3)
    assert pointer(home) == "3"


@pytest.mark.parametrize("name", ["plan.json", "pylock.toml"])
def test_records_that_were_overwritten(env, home, name, server):
    (home / "envs" / "tiny" / "generations" / "2" / name).write_bytes(os.urandom(300))
    assert env("list")[0] == 0
    code, said = env("repair", "tiny")
    assert (code, said["problem"]["id"]) == (1, "environment-unreadable")
    assert said["problem"]["hint"] == "dreamboot build --yes --env tiny"
    for _ in build(host.current(), Layout(home=home), smaller(server.url)):
        pass
    assert env("show", "tiny")[1]["environment"]["generation"] == 3


def test_gc(env, home):
    (home / "envs" / ".DS_Store").write_bytes(b"not ours")
    before = files(home)
    code, said = env("gc", "--keep", "1", "--dry-run")
    assert code == 0
    assert str(home / "envs" / "tiny" / "generations" / "1") in said["removed"]
    assert files(home) == before
    assert env("gc", "--keep", "1")[1] == said
    assert not (home / "envs" / "tiny" / "generations" / "1").exists()
    assert env("gc", "--keep", "1")[1]["removed"] == []
    assert (home / "envs" / "tiny" / "generations" / "2" / "venv").is_dir()


def test_remove(env, home, capsys):
    assert main(["--home", str(home), "env", "remove", "tiny"]) == 3  # nobody there to say yes
    capsys.readouterr()
    before = files(home)
    assert env("remove", "tiny", "--dry-run") == (0, {"schema": 1, "removed": "tiny"})
    assert files(home) == before
    assert env("remove", "tiny") == (0, {"schema": 1, "removed": "tiny"})
    assert not (home / "envs" / "tiny").exists()
    assert env("remove", "tiny")[1]["problem"]["id"] == "environment-missing"


def test_while_somebody_builds_only_looking_is_allowed(env, home):
    code = (
        "import filelock, sys, time\n"
        f"lock = filelock.FileLock({str(home / 'envs' / 'tiny' / 'build.lock')!r})\n"
        "lock.acquire()\n"
        "print('held', flush=True); time.sleep(600)"
    )
    holder = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    try:
        assert holder.stdout.readline() == "held\n"
        for words in (("rollback", "tiny"), ("remove", "tiny"), ("repair", "tiny"), ("gc",)):
            assert env(*words)[1]["problem"]["id"] == "build-running", words
        assert env("list")[0] == env("show", "tiny")[0] == env("rollback", "tiny", "--dry-run")[0] == 0
    finally:
        holder.kill()
        holder.wait()
        holder.stdout.close()
    # The file of the lock is still there; its holder is not.
    assert (home / "envs" / "tiny" / "build.lock").exists()
    assert env("rollback", "tiny")[0] == 0


def test_an_environment_whose_files_were_deleted_is_built_again(env, home, server):
    shutil.rmtree(home / "envs" / "tiny" / "generations" / "2" / "venv")
    assert [one["complete"] for one in env("list")[1]["environments"][0]["generations"]] == [True, False]
    for _ in build(host.current(), Layout(home=home), smaller(server.url)):
        pass
    assert env("show", "tiny")[1]["environment"]["generation"] == 3


@pytest.mark.parametrize("broken", ["venv", "pylock.toml", "plan.json", "requirements.in", "journal"])
def test_an_unfinished_build_whose_files_were_damaged_is_no_trap(tmp_path, server, broken):
    layout, wanted = Layout(home=tmp_path), order(server.url)
    for event in build(host.current(), layout, wanted):
        if event.stage == "verify":
            break  # as a kill would
    generation = layout.environment("tiny").generation(1)
    if broken == "venv":
        shutil.rmtree(generation.venv)
    elif broken == "journal":
        generation.journal.write_bytes(b"\xff\x00{" + b"[" * 5000 + b"\n" + generation.journal.read_bytes())
    else:
        (generation.path / broken).write_bytes(os.urandom(200))
    for _ in build(host.current(), layout, wanted):
        pass
    built = generations.require(host.current(), layout, "tiny")
    assert subprocess.run([built.python, "-c", "import ballast, torch"], check=False).returncode == 0
