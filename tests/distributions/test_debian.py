"""Bare Debian machines: the documented commands end well, or name the one command that is missing.

    DREAMBOOT_TEST_DISTRIBUTIONS=FOLDER python3 installer/bootstrap.py test -n 0 tests/distributions

FOLDER keeps the roots (about 330 MB each, made when absent by debootstrap: `apt-get install debootstrap`) and pip's
caches. It has to be run as root, with overlayfs. What is installed in a test lies in a layer above the root and is
thrown away. `-k "not whole_way"` leaves out the builds with torch (up to 4 GB of downloads each).
"""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Iterator

import pytest

from support import linux_roots
from support.linux_roots import PYTHONS, USER, Layer

FOLDER = os.environ.get("DREAMBOOT_TEST_DISTRIBUTIONS", "")
REASON = (
    linux_roots.why_not() if FOLDER else "roots of Debian are made for these: set DREAMBOOT_TEST_DISTRIBUTIONS=FOLDER"
)
pytestmark = [pytest.mark.real, pytest.mark.skipif(bool(REASON), reason=REASON)]

# What a release can do with the package alone: pip >= 22.3 installs into a venv from outside, `venv` needs ensurepip.
ENOUGH = {
    (release, extra): extra == "python3-venv" or (extra == "python3-pip" and release != "bullseye")
    for release in PYTHONS
    for extra in ("", "python3-venv", "python3-pip")
}
SHORT = tuple(
    word
    for setting in (
        "max_train_steps=2", "num_class_images=2", "num_inference_steps=2", "class_inference_steps=2",
        "validation_steps=0", "checkpointing_steps=2",
    )
    for word in ("--set", setting)
)  # fmt: skip


def dreamboot(layer: Layer, user: str, *arguments: str, timeout: float = 600) -> subprocess.CompletedProcess[str]:
    """The documented command, by the distribution's own Python, from a checkout that can't be written."""
    return layer.run("python3", "/checkout/installer/bootstrap.py", *arguments, user=user, timeout=timeout)


@pytest.fixture(scope="module")
def with_package(tmp_path_factory) -> Iterator[object]:
    """release, package -> the folders of a machine that has this package too; installed once."""
    made: dict[tuple[str, str], tuple[Layer, tuple[Path, ...]]] = {}
    roots = Path(FOLDER)

    def have(release: str, package: str) -> tuple[Path, ...]:
        bare = linux_roots.root(roots, release)
        if not package:
            return (bare,)
        if (release, package) not in made:
            layer = Layer(tmp_path_factory.mktemp(f"{release}-{package}"), (bare,), roots / "pip-caches")
            done = layer.run("apt-get", "install", "-y", "--no-install-recommends", package)
            assert done.returncode == 0, done.stdout + done.stderr
            made[release, package] = (layer, (layer.upper, bare))
        return made[release, package][1]

    yield have
    for layer, _ in made.values():
        layer.remove()


@pytest.fixture
def machine(with_package, tmp_path) -> Iterator[object]:
    """release, package -> a machine of this test alone."""
    layers: list[Layer] = []

    def make(release: str, package: str) -> Layer:
        layer = Layer(tmp_path / "layer", with_package(release, package), Path(FOLDER) / "pip-caches")
        layers.append(layer)
        return layer

    yield make
    for layer in layers:
        layer.remove()


@pytest.mark.parametrize("user", ["root", USER])
@pytest.mark.parametrize("package", ["", "python3-venv", "python3-pip"], ids=["bare", "venv", "pip"])
@pytest.mark.parametrize("release", PYTHONS)
def test_it_ends_well_or_names_the_one_command_that_is_missing(release, package, user, machine):
    layer = machine(release, package)
    if not ENOUGH[release, package]:
        install_what_is_named(layer, user, dreamboot(layer, user, "detect", "--json"))
    found = dreamboot(layer, user, "detect", "--json")
    assert found.returncode == 0, found.stdout + found.stderr
    told = json.loads(found.stdout)
    assert (told["os"], told["distribution"].split()[0]) == ("linux", "Debian")
    assert PYTHONS[release] in [python["version"].rpartition(".")[0] for python in told["pythons"]]
    planned = dreamboot(layer, user, "plan", "--json")
    assert planned.returncode == 0, planned.stdout + planned.stderr
    assert json.loads(planned.stdout)["torch"]["version"]


def install_what_is_named(
    layer: Layer, user: str, refused: subprocess.CompletedProcess[str], wanted: str = "apt-get install -y python3-venv"
) -> None:
    """The problem names one command; run as it stands (an ordinary user's by the administrator), it is enough."""
    assert refused.returncode == 1, refused.stdout + refused.stderr
    problem = json.loads(refused.stdout)["problem"]
    assert "virtual environment" in problem["what"]
    assert "Traceback" not in refused.stderr
    command, _, again = problem["hint"].partition("   then again: ")
    assert again == "python3 /checkout/installer/bootstrap.py detect --json"
    assert command == (wanted if user == "root" else f'su -c "{wanted}"')
    done = layer.run("sh", "-c", command)
    assert done.returncode == 0, done.stdout + done.stderr


def test_debian_11_gets_a_newer_python_or_says_how(machine):
    """Its 3.9 is too old for the trainer's packages. Where uv's downloads can't be reached, the way out is said."""
    layer = machine("bullseye", "python3-venv")
    done = dreamboot(layer, USER, "build", "--yes", "--json", timeout=3600)
    if done.returncode == 0:
        python = json.loads(done.stdout)["environment"]["python"]
        assert tuple(map(int, layer.run(python, "-V", user=USER).stdout.split()[1].split(".")[:2])) >= (3, 10)
        return
    problem = json.loads(done.stdout)["problem"]
    assert (done.returncode, problem["id"]) == (1, "venv-failed"), problem
    assert "Install Python 3." in problem["hint"]
    assert "UV_PYTHON_INSTALL_MIRROR" in problem["hint"]
    # It was noticed before the first package.
    assert list((layer.upper / "home" / USER).rglob("torch-*.whl")) == []
    assert "lock:" not in done.stderr


def test_apt_without_its_lists_is_told_to_read_them(machine):
    """Debian's container images come so."""
    layer = machine("bookworm", "")
    layer.run("sh", "-c", "rm -rf /var/lib/apt/lists/*")
    refused = dreamboot(layer, "root", "detect", "--json")
    install_what_is_named(layer, "root", refused, "apt-get update && apt-get install -y python3-venv")
    assert dreamboot(layer, "root", "detect", "--json").returncode == 0


def test_setup_sh_says_how_to_get_a_python(machine):
    layer = machine("trixie", "")
    gone = layer.run("sh", "-c", "apt-get purge -y --auto-remove python3 python3-minimal 'python3.*-minimal'")
    assert gone.returncode == 0, gone.stdout + gone.stderr
    refused = layer.run("sh", "/checkout/installer/setup.sh", "--version", user=USER)
    assert refused.returncode == 1, refused.stdout + refused.stderr
    command = "apt-get install -y python3 python3-venv"
    assert f"Next:    su -c '{command}'" in refused.stderr
    done = layer.run("sh", "-c", command)
    assert done.returncode == 0, done.stdout + done.stderr
    assert layer.run("sh", "/checkout/installer/setup.sh", "--version", user=USER).stdout.startswith("dreamboot ")


@pytest.mark.parametrize("release", PYTHONS)
def test_setup_sh_finds_the_python_of_the_distribution(release, machine):
    layer = machine(release, "python3-venv")
    done = layer.run("sh", "/checkout/installer/setup.sh", "--version", user=USER)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("dreamboot ")


@pytest.mark.parametrize(
    ("release", "package", "user"),
    [("bookworm", "python3-venv", "root"), ("trixie", "python3-pip", USER), ("sid", "python3-venv", USER)],
)
def test_the_whole_way(release, package, user, machine):
    """`up` to an exported model, then the project's own tests, in the same home."""
    layer = machine(release, package)
    done = dreamboot(layer, user, "up", "--yes", "--json", *SHORT, timeout=3600)
    assert done.returncode == 0, done.stdout + done.stderr[-4000:]
    checkpoint = json.loads(done.stdout)["checkpoint"]
    assert (layer.upper / checkpoint.lstrip("/")).stat().st_size > 1_000_000
    tested = dreamboot(layer, user, "test", "-n", "0", "-k", "not nothing", "tests/unit/test_values.py", timeout=1800)
    assert tested.returncode == 0, tested.stdout + tested.stderr
    assert " passed" in tested.stdout + tested.stderr
