"""Generations and homes: back and forth, shown, compared, repaired, removed, collected; in any folder."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace

import pytest

from dreamboot import host
from dreamboot.app import env
from dreamboot.app.context import Context
from dreamboot.building import generations, space
from dreamboot.building.build import build
from dreamboot.building.layout import Layout
from dreamboot.model import DreambootError, Report
from support.tiny_index import file_name, index, order

pytestmark = pytest.mark.real


def make(layout: Layout, wanted) -> None:
    """Build to the end."""
    for _ in build(host.current(), layout, wanted):
        pass


def context(layout: Layout) -> Context:
    """A call with --yes."""
    return Context(host=host.current(), home=layout.home, confirm=lambda _: True, yes=True)


def report(items) -> Report:
    """The last thing that a use case yields."""
    return list(items)[-1]


@pytest.fixture(scope="module")
def server():
    with index() as running:
        yield running


@pytest.fixture
def layout(tmp_path):
    return Layout(home=tmp_path / "home")


def smaller(url: str):
    """The same plan without one package: another generation."""
    wanted = order(url)
    packages = {name: text for name, text in wanted.plan.packages.items() if name != "tiny-3"}
    return replace(wanted, plan=replace(wanted.plan, packages=packages))


def test_back_and_forth(layout, server):
    make(layout, order(server.url))
    make(layout, smaller(server.url))
    shown = report(env.show(context(layout), "tiny")).data
    assert shown["environment"]["generation"] == 2
    assert "tiny-3" not in shown["packages"]
    changed = report(env.diff(context(layout), "tiny@1", "tiny@2")).data["changed"]
    assert changed == {"tiny-3": {"from": "1.0.0", "to": None}}
    assert report(env.rollback(context(layout), "tiny", None)).data == {"schema": 1, "from": 2, "to": 1}
    assert "tiny-3" in report(env.show(context(layout), "tiny")).data["packages"]
    (listed,) = report(env.list_environments(context(layout))).data["environments"]
    assert [(entry["number"], entry["current"], entry["complete"]) for entry in listed["generations"]] == [
        (1, True, True), (2, False, True),
    ]  # fmt: skip
    with pytest.raises(DreambootError, match="no earlier build"):
        report(env.rollback(context(layout), "tiny", 7))
    # Asked for again, the newer generation is there already: only the pointer moves.
    make(layout, smaller(server.url))
    assert generations.numbers(host.current(), layout.environment("tiny")) == (1, 2)


def test_a_damaged_environment_is_noticed_and_repaired(layout, server):
    make(layout, order(server.url))
    path = layout.environment("tiny").generation(1).venv
    (victim,) = path.rglob("ballast/part_7.bin")
    # In place: the file is a link into uv's cache, so the cache is damaged with it.
    victim.write_bytes(b"short")
    report(env.repair(context(layout), "tiny"))
    number = generations.in_use(host.current(), layout, "tiny").generation
    assert number == 2
    (mended,) = layout.environment("tiny").generation(2).venv.rglob("ballast/part_7.bin")
    assert mended.stat().st_size > 1000


def test_a_damaged_cache_mends_itself(layout, server):
    """What one environment's file lost, the unpacked wheel lost too; the next environment shall not be built of it."""
    make(layout, order(server.url))
    (victim,) = layout.environment("tiny").generation(1).venv.rglob("ballast/part_7.bin")
    victim.write_bytes(b"short")
    said = [event.message for event in build(host.current(), layout, order(server.url, name="other"))]
    assert any("part_7.bin" in line and "unpacked anew" in line for line in said), said
    (mended,) = layout.environment("other").generation(1).venv.rglob("ballast/part_7.bin")
    assert mended.stat().st_size > 1000
    assert generations.in_use(host.current(), layout, "other").generation == 1
    # The third is built of what was mended.
    said = [event.message for event in build(host.current(), layout, order(server.url, name="third"))]
    assert not any("unpacked anew" in line for line in said), said


def test_unpacked_wheels_that_were_deleted_are_unpacked_again(layout, server):
    make(layout, order(server.url))
    host.current().remove(layout.uv_cache / "archive-v0")
    make(layout, order(server.url, name="other"))
    make(layout, order(server.url, name="third"))
    assert list(layout.environment("third").generation(1).venv.rglob("ballast/part_7.bin"))


def test_a_cache_that_can_only_be_read(drive, server, layout):
    """What is built stays usable and is not built again; a new environment is refused with the folder's name."""
    layout.home.mkdir()
    (drive / "cache").mkdir()
    (layout.home / "cache").symlink_to(drive / "cache")
    make(layout, order(server.url))
    subprocess.run(["mount", "-o", "remount,ro", str(drive)], check=True)
    make(layout, order(server.url))
    with pytest.raises(DreambootError) as caught:
        make(layout, order(server.url, name="new"))
    assert caught.value.problem.id == "cannot-write"
    assert "cache" in caught.value.problem.what


def test_a_second_environment_costs_links_and_no_downloads(layout, server):
    make(layout, order(server.url))
    before = {path: count for path, count in server.sent.items() if path.endswith(".whl")}
    make(layout, order(server.url, name="other"))
    assert {path: count for path, count in server.sent.items() if path.endswith(".whl")} == before
    one, other = (
        next(layout.environment(name).generation(1).venv.rglob("ballast/part_7.bin")) for name in ("tiny", "other")
    )
    assert one.samefile(other)


def test_the_same_plan_and_lock_give_the_same_files(layout, server):
    make(layout, order(server.url))
    lock = layout.environment("tiny").generation(1).pylock.read_text()
    make(layout, order(server.url, name="again", locked=lock))
    assert layout.environment("again").generation(1).pylock.read_text() == lock
    assert report(env.diff(context(layout), "tiny", "again")).data["changed"] == {}


def test_garbage_is_what_no_kept_generation_needs(layout, server):
    make(layout, order(server.url))
    make(layout, smaller(server.url))
    removed = report(env.collect_garbage(context(layout), keep=1)).data["removed"]
    assert any(path.endswith(("generations/1", "generations\\1")) for path in removed)
    assert not list(layout.wheels.rglob("tiny_3*.whl"))
    assert list(layout.wheels.rglob("tiny_2*.whl"))
    make(layout, order(server.url))
    assert generations.in_use(host.current(), layout, "tiny").generation == 3


def test_removed_means_gone(layout, server):
    make(layout, order(server.url))
    report(env.remove(context(layout), "tiny"))
    assert not layout.environment("tiny").root.exists()
    for use_case in (env.remove(context(layout), "tiny"), env.rollback(context(layout), "tiny", None)):
        with pytest.raises(DreambootError):
            report(use_case)
    assert not layout.environment("tiny").root.exists()


def test_pip_inside_holds_torch(layout, server):
    """Whoever runs pip in the environment can't move torch: its own settings say so."""
    make(layout, order(server.url))
    generation = layout.environment("tiny").generation(1)
    python = generation.python(host.current().system)
    command = [sys.executable, "-m", "pip", "--python", str(python), "install", "--dry-run", "--no-deps"]
    done = host.current().run(
        [*command, "--index-url", f"{server.url}/simple", "torch==2.0"], timeout=60,
        env={**os.environ, "PIP_CONFIG_FILE": str(generation.venv / "pip.conf")},
    )  # fmt: skip
    assert done.returncode != 0
    assert "constraint" in done.stdout + done.stderr
    assert "torch==1.0.0" in generation.constraints.read_text()


@pytest.mark.parametrize(
    "name",
    [
        "with space",
        "\u00dcbung-\u0434\u043e\u043c-\u5bb6",
        "/".join(letter * 60 for letter in "abcdefgh"),
        "it's 100% $HOME;#",
    ],
    ids=["space", "letters", "long", "signs"],
)
def test_any_home_works(tmp_path, server, name):
    layout = Layout(home=tmp_path / name)
    make(layout, order(server.url))
    verified = json.loads((layout.environment("tiny").generation(1).path / "verified.json").read_text())
    assert verified["imports"] == {"torch": "1.0.0", "accelerate": "1.0.0"}


@pytest.fixture
def drive(tmp_path, monkeypatch):
    """Another file system, a small one."""
    monkeypatch.setattr(space, "SPARE_BYTES", 0)
    place = tmp_path / "drive"
    place.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=128m", "tmpfs", str(place)]
    if subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("mounting a file system needs root")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


@pytest.mark.parametrize("moved", ["home", "cache", "envs"])
def test_another_drive_works(tmp_path, server, drive, moved):
    """The whole home there, or only its cache or its environments behind a link: where links end, files are copied."""
    layout = Layout(home=drive / "home" if moved == "home" else tmp_path / "home")
    if moved != "home":
        layout.home.mkdir()
        (drive / moved).mkdir()
        (layout.home / moved).symlink_to(drive / moved)
    make(layout, order(server.url))
    make(layout, order(server.url, name="second"))
    found = [next(layout.environment(name).generation(1).venv.rglob("part_7.bin")) for name in ("tiny", "second")]
    assert found[0].read_bytes() == found[1].read_bytes()
    assert found[0].samefile(found[1]) == (moved == "home")
    report(env.repair(context(layout), "tiny"))
    assert generations.in_use(host.current(), layout, "tiny").generation == 2


def test_where_links_end_nothing_is_unpacked_beside(layout, drive):
    """It would be copied to the other disk, and copied again by the install."""
    layout.home.mkdir()
    (drive / "cache").mkdir()
    (layout.home / "cache").symlink_to(drive / "cache")
    generation = layout.environment("tiny").generation(1)
    waiting, seen = 0, []
    with index() as slow:
        for event in build(host.current(), layout, order(slow.url)):
            if event.stage == "lock" and event.kind.value == "finished":
                slow.faults[f"/files/{file_name('ballast')}"] = ["stall:2"]
            waiting += event.stage == "fetch"
            seen += list(generation.path.glob("*unpacking*"))
    assert waiting > 5  # some of them a fifth of a second after the other
    assert not seen
    assert generations.in_use(host.current(), layout, "tiny").generation == 1


def test_a_poisoned_caller_changes_nothing(tmp_path, server, monkeypatch, layout):
    """Every variable, file and folder by which another environment is known to leak in, at once."""
    poison = tmp_path / "poison"
    user_site = poison / "lib" / f"python{sys.version_info[0]}.{sys.version_info[1]}" / "site-packages"
    user_site.mkdir(parents=True)
    for folder in (poison, user_site):
        for name in ("torch.py", "accelerate.py", "sitecustomize.py", "usercustomize.py"):
            (folder / name).write_text("raise SystemExit('leaked')")
    (user_site / "evil.pth").write_text("import os; os._exit(7)\n")
    for variable in ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV", "CONDA_PREFIX", "PIP_TARGET", "PIP_PREFIX", "PIP_ROOT",
                     "PYTHONUSERBASE", "PYTHONSTARTUP", "PYTHONPYCACHEPREFIX", "PYTHONPLATLIBDIR"):  # fmt: skip
        monkeypatch.setenv(variable, str(poison))
    for variable, text in (
        ("PIP_USER", "1"), ("PIP_REQUIRE_VIRTUALENV", "1"), ("PIP_NO_DEPS", "1"), ("PIP_ONLY_BINARY", ":none:"),
        ("CONDA_DEFAULT_ENV", "base"), ("CONDA_SHLVL", "1"), ("CONDA_PYTHON_EXE", str(poison)),
        ("UV_INDEX_URL", "http://127.0.0.1:9/none"), ("UV_PROJECT_ENVIRONMENT", str(poison)), ("UV_NO_BINARY", "1"),
        ("UV_PYTHON", "2.7"), ("UV_OFFLINE", "1"), ("UV_LINK_MODE", "symlink"),
        ("UV_CONSTRAINT", str(poison / "c.txt")),
        ("UV_CONFIG_FILE", str(poison / "uv.toml")), ("PYTHONOPTIMIZE", "2"), ("PYTHONINSPECT", "1"),
    ):  # fmt: skip
        monkeypatch.setenv(variable, text)
    (poison / "uv.toml").write_text("no-index = true\n")
    (poison / "c.txt").write_text("torch==9\n")
    monkeypatch.chdir(poison)
    make(layout, order(server.url))
    built = generations.in_use(host.current(), layout, "tiny")
    assert built.generation == 1
    verified = json.loads((layout.environment("tiny").generation(1).path / "verified.json").read_text())
    assert verified["imports"] == {"torch": "1.0.0", "accelerate": "1.0.0"}


def test_two_environments_are_built_at_the_same_time(layout, server):
    """They share one cache, also while both fill it."""
    from concurrent.futures import ThreadPoolExecutor

    names = ("one", "two", "three")
    with ThreadPoolExecutor(3) as pool:
        list(pool.map(lambda name: make(layout, order(server.url, name=name)), names))
    for name in names:
        built = generations.require(host.current(), layout, name)
        assert subprocess.run([built.python, "-c", "import ballast"], check=False).returncode == 0


def test_a_home_that_can_only_be_read(drive, server):
    """Looking works; what would change something is a Problem, not a traceback."""
    layout = Layout(home=drive / "home")
    make(layout, order(server.url))
    make(layout, smaller(server.url))
    subprocess.run(["mount", "-o", "remount,ro", str(drive)], check=True)
    assert report(env.show(context(layout), "tiny")).data["environment"]["generation"] == 2
    assert report(env.list_environments(context(layout))).data["environments"]
    changes = (
        env.rollback(context(layout), "tiny", None), env.remove(context(layout), "tiny"),
        env.collect_garbage(context(layout)), env.repair(context(layout), "tiny"),
    )  # fmt: skip
    for use_case in changes:
        with pytest.raises(DreambootError) as caught:
            report(use_case)
        assert caught.value.problem.id == "cannot-write"
    with pytest.raises(DreambootError) as caught:
        make(layout, order(server.url, name="new"))
    assert caught.value.problem.id == "cannot-write"
