"""`doctor --fix` replaces a torch that is wrong for the machine by the planner's choice, and `--undo` takes it back."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Dict

import pytest
from world import Env, bad, torch_files, wheel

pytestmark = pytest.mark.real

_CPYTHON = f"cp{sys.version_info.major}{sys.version_info.minor}"
NAME = f"torch-2.11.0+cu126-{_CPYTHON}-{_CPYTHON}-manylinux_2_28_x86_64.whl"


def content(folder: Path) -> Dict[str, str]:
    """Every file but bytecode, which whoever imports leaves behind."""
    files = (path for path in folder.rglob("*") if path.is_file() and path.suffix != ".pyc")
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


@pytest.fixture
def with_gpu(small: Env) -> Env:
    """The CPU build beside an RTX 3060; a folder of wheels that pip is configured with has the build for it."""
    wheels = small.root / "own wheels"
    built = wheel(wheels, "torch", "2.11.0+cu126", torch_files("2.11.0+cu126"))
    built.rename(wheels / NAME)
    small.environ["PIP_FIND_LINKS"] = wheels.as_uri()
    small.stub("torch", "2.11.0+cpu")
    small.gpu("NVIDIA GeForce RTX 3060", "8.6")
    return small


def test_torch_is_replaced_proven_and_brought_back(with_gpu):
    before = content(with_gpu.site)
    assert bad(with_gpu.doctor()) == {"torch-cpu-build": "error"}
    fixed = with_gpu.doctor("--fix", "--yes")
    assert [(one["id"], one["done"], one["proven"]) for one in fixed["fixed"]] == [("torch-cpu-build", True, True)]
    assert bad(fixed) == {}
    assert fixed["python"]["torch"] == "2.11.0+cu126"
    assert {name for name in content(with_gpu.site) if "torch-2.11.0+cpu" in name} == set()
    with_gpu.doctor("--undo", "--yes")
    assert content(with_gpu.site) == before


def test_undo_brings_the_programs_back_too(with_gpu):
    """The build for the GPU brings a program, and one that was there is overwritten by the repair's installer."""
    programs = with_gpu.python.parent
    (programs / "torchrun").write_text("#!/bin/sh\necho the old one\n")
    before = content(programs)
    built = next((with_gpu.root / "own wheels").glob("torch-2.11*"))
    with zipfile.ZipFile(built, "a") as archive:
        archive.writestr("torch-2.11.0+cu126.data/scripts/torchrun", "#!python\nprint('the new one')\n")
        archive.writestr("torch-2.11.0+cu126.data/scripts/torchfrtrace", "#!python\n")
    with_gpu.doctor("--fix", "--yes")
    assert "the new one" in (programs / "torchrun").read_text() and (programs / "torchfrtrace").exists()
    with_gpu.doctor("--undo", "--yes")
    assert content(programs) == before


def test_without_room_nothing_is_changed(with_gpu, tmp_path):
    """The environment lies on a disk that is too small for another torch."""
    if os.name == "nt" or os.geteuid() != 0:
        pytest.skip("only root can mount a small disk")
    small_disk = tmp_path / "small disk"
    small_disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", str(small_disk)], check=False)
    if mounted.returncode:
        pytest.skip("this machine lets nobody mount a disk")
    try:
        shutil.copytree(with_gpu.prefix, small_disk / "venv", symlinks=True)
        env = Env(with_gpu.root, small_disk / "venv")
        env.environ.update(with_gpu.environ)
        env.gpu("NVIDIA GeForce RTX 3060", "8.6")
        before = content(env.site)
        (step,) = env.doctor("--fix", "--yes")["fixed"]
        assert step["done"] is False and "Not enough room on the disk" in step["failed"]
        assert content(env.site) == before
    finally:
        subprocess.run(["umount", str(small_disk)], check=True)


def test_a_dry_run_shows_the_build_and_changes_nothing(with_gpu):
    before = content(with_gpu.site)
    (step,) = with_gpu.doctor("--fix", "--dry-run")["fixed"]
    assert step["command"].endswith("--reinstall-package torch torch==2.11.0+cu126")
    assert "find-links" in step["changes"] and step["done"] is False
    assert content(with_gpu.site) == before


def test_where_no_build_can_be_had_nothing_is_changed_and_the_reason_is_told(small):
    small.stub("torch", "2.13.0+cpu")
    small.gpu("NVIDIA GeForce GT 710", "3.5", driver="470.256.02")
    before = content(small.site)
    (step,) = small.doctor("--fix", "--yes")["fixed"]
    assert (step["command"], step["done"], step["proven"]) == ("dreamboot plan", False, False)
    assert "compute capability 3.5" in step["changes"]
    assert content(small.site) == before
    assert not (small.root / "dreamboot" / "snapshots").exists()


@pytest.fixture
def with_other_torchvision(with_gpu: Env) -> Env:
    """The right torch, and the torchvision of the release before, as a later install leaves them."""
    with_gpu.stub("torch", "2.11.0+cu126")
    version = "0.25.0+cu126"
    files = {"torchvision/version.py": f"__version__ = '{version}'\ncuda = '12.6'\n"}
    with_gpu.stub("torchvision", version, files, ["torch==2.10.0"])
    right = "0.26.0+cu126"
    files = {"torchvision/version.py": f"__version__ = '{right}'\ncuda = '12.6'\n"}
    wheel(with_gpu.root / "own wheels", "torchvision", right, files, ["torch==2.11.0"])
    return with_gpu


def test_torchvision_is_exchanged_and_torch_stays(with_other_torchvision):
    env = with_other_torchvision
    before = content(env.site)
    assert bad(env.doctor()) == {"torchvision-fits": "error"}
    (step,) = env.doctor("--fix", "--dry-run")["fixed"]
    assert "--reinstall-package torchvision torch==2.11.0+cu126 torchvision==0.26.0" in step["command"]
    assert content(env.site) == before
    fixed = env.doctor("--fix", "--yes")
    assert [(one["id"], one["done"], one["proven"]) for one in fixed["fixed"]] == [("torchvision-fits", True, True)]
    assert bad(fixed) == {}
    torch = {name: digest for name, digest in before.items() if name.startswith("torch/")}
    assert {name: digest for name, digest in content(env.site).items() if name.startswith("torch/")} == torch
    env.doctor("--undo", "--yes")
    assert content(env.site) == before


def test_what_fits_on_paper_and_does_not_load_is_not_proven(with_other_torchvision):
    env = with_other_torchvision
    files = {
        "torchvision/__init__.py": "raise RuntimeError('operator torchvision::nms does not exist')\n",
        "torchvision/version.py": "__version__ = '0.26.0+cu126'\ncuda = '12.6'\n",
    }
    wheel(env.root / "own wheels", "torchvision", "0.26.0+cu126", files, ["torch==2.11.0"])
    told = env.doctor("--fix", "--yes")
    assert [(one["id"], one["done"], one["proven"]) for one in told["fixed"]] == [("torchvision-fits", True, False)]
    assert bad(told) == {"deep-import-torchvision": "error"}


def test_the_index_build_is_no_way_out_for_a_torch_of_pytorchs_own(with_other_torchvision):
    """0.26.0 of the package index is another build than 0.26.0+cu126: it would be installed, and not load."""
    env = with_other_torchvision
    for path in (env.root / "own wheels").glob("torchvision-*"):
        path.unlink()
    told = {"torchvision/version.py": "__version__ = '0.26.0+cu130'\n"}
    wheel(env.root / "own wheels", "torchvision", "0.26.0", told, ["torch==2.11.0"])
    before = content(env.site)
    (step,) = env.doctor("--fix", "--yes")["fixed"]
    assert step["done"] is False and "torchvision==0.26.0+cu126" in step["failed"]
    assert content(env.site) == before


def test_where_there_is_no_torchvision_nothing_is_changed(with_other_torchvision):
    env = with_other_torchvision
    for path in (env.root / "own wheels").glob("torchvision-*"):
        path.unlink()
    # Neither may the package index answer.
    env.environ.update(PIP_NO_INDEX="1")
    before = content(env.site)
    (step,) = env.doctor("--fix", "--yes")["fixed"]
    assert (step["done"], step["proven"]) == (False, False)
    assert content(env.site) == before


def test_a_wheel_that_is_gone_changes_nothing(with_gpu):
    """The folder names it when the plan is made; what lies there is no wheel."""
    (with_gpu.root / "own wheels" / NAME).write_bytes(b"cut short")
    before = content(with_gpu.site)
    (step,) = with_gpu.doctor("--fix", "--yes")["fixed"]
    assert (step["done"], step["proven"]) == (False, False)
    assert step["failed"]
    assert content(with_gpu.site) == before


def test_what_fits_the_right_torch_is_kept(with_gpu):
    """xformers for CUDA seems wrong only as long as torch is the CPU build."""
    built = {"version": {"cuda": 1206, "torch": "2.11.0+cu126", "python": "3.11"}, "env": {}}
    files = {"xformers/__init__.py": "", "xformers/cpp_lib.json": json.dumps(built)}
    with_gpu.stub("xformers", "0.0.35", files)
    assert bad(with_gpu.doctor()) == {"torch-cpu-build": "error", "xformers-fits": "error"}
    fixed = with_gpu.doctor("--fix", "--yes")
    assert [one["id"] for one in fixed["fixed"]] == ["torch-cpu-build"]
    assert bad(fixed) == {}
    assert (with_gpu.site / "xformers" / "cpp_lib.json").exists()
