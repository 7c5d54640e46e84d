"""One private engine and one built image for all container tests; nothing of either stays."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from support import engine as private
from support.dreamboot import ROOT
from support.nvidia_stub import cdi_specification

CERTIFICATES = private.CERTIFICATES


# A folder whose engine and images are kept from run to run, while one works on a test; an image in it is not rebuilt.
KEPT = os.environ.get("DREAMBOOT_TEST_ENGINE", "")


@pytest.fixture(scope="session")
def engine(tmp_path_factory):
    """A running dockerd with a stub GPU's CDI specification, and NVIDIA's hook on a path of its own."""
    reason = private.why_not() or private.kernel_lacks()
    if reason:
        pytest.skip(reason)
    folder = Path(KEPT) if KEPT else tmp_path_factory.mktemp("engine")
    hooks = folder / "hooks"
    shutil.rmtree(hooks, ignore_errors=True)
    hooks.mkdir(parents=True)
    try:
        running = private.Engine(folder, extra_path=hooks)
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"the engine's packages can't be had: {error}")
    cdi_specification(folder)
    try:
        try:
            running.start()
            private.base_image(running)
        except RuntimeError as error:
            pytest.skip(f"this machine lets no engine run: {str(error).strip().splitlines()[-1]}")
        except subprocess.CalledProcessError as error:
            pytest.skip(f"no base image can be bootstrapped: {error}")
        yield running
    finally:
        running.stop()
        if not KEPT:
            running.remove()


@pytest.fixture(scope="session")
def image(engine, tmp_path_factory):
    """The tag of the image for the CPU, built from this checkout by this machine's own package sources."""
    tag = "dreamboot:cpu"
    if KEPT and engine.have_image(tag):
        return tag
    said = engine.docker(*build_words(tmp_path_factory.mktemp("build"), "cpu", tag), str(ROOT), timeout=1500)
    (engine.folder / "build.log").write_text(said.stdout + said.stderr)
    return tag


def build_words(folder: Path, machine: str, tag: str) -> list[str]:
    """`docker build` for here: no bridge, a base with this machine's certificates, pip's settings as a secret."""
    sys.path.insert(0, str(ROOT / "installer"))
    from dreamboot.host import current
    from dreamboot.machine import index

    raw = index.raw(current())
    folders = [link for link in raw.find_links if Path(link).is_dir()]
    configuration = folder / "pip.conf"
    lines = ["[global]", *([f"cert = {CERTIFICATES}"] if CERTIFICATES.exists() else [])]
    lines += ["find-links = /wheels"] if folders else []
    lines += [f"index-url = {raw.index_url}"] if raw.index_url else []
    configuration.write_text("\n".join(lines) + "\n")
    wheels = ["--build-context", f"wheels={folders[0]}"] if folders else []
    return [
        "build", "--network", "host", "--file", str(ROOT / "docker" / "Dockerfile"), "--tag", tag,
        "--build-arg", f"BASE={private.BASE_IMAGE}", "--build-arg", f"MACHINE={machine}",
        "--secret", f"id=pip,src={configuration}", *wheels,
    ]  # fmt: skip


@pytest.fixture
def volume(tmp_path):
    """A folder that any uid may write to, to be mounted at /data."""
    folder = tmp_path / "data"
    folder.mkdir()
    folder.chmod(0o1777)
    return folder
