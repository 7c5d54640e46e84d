"""The index, the tag and the local version that were planned are what uv installs, on every platform's tags."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any, Dict, List, Tuple

import pytest
import uv

from dreamboot import catalog, planning
from dreamboot.building.lock import requirement_lines
from dreamboot.machine.stated import state_machine
from dreamboot.model import Plan, SourceKind, Wish
from dreamboot.planning.uv_arguments import resolver_arguments

from .local_index import serve, simple_packages, wheel_name, write_listing, write_wheel
from .uv_compile import PLATFORM

pytestmark = pytest.mark.real
PYTHON = "3.12"

MACHINES: Dict[str, Tuple[Dict[str, Any], str]] = {
    "pascal": ({"os": "linux", "gpu": "NVIDIA GeForce GTX 1080", "driver": "580.95.05"}, "2.14.1+cu126"),
    "pascal-windows": ({"os": "windows 11", "gpu": "NVIDIA GeForce GTX 1080", "driver": "580.88"}, "2.14.1+cu126"),
    "blackwell-windows": ({"os": "windows 11", "gpu": "NVIDIA GeForce RTX 5090", "driver": "572.61"}, "2.11.0+cu128"),
    "ada": ({"os": "linux", "gpu": "NVIDIA GeForce RTX 4090", "driver": "595.58.03"}, "2.15.0+cu132"),
    "ada-580": ({"os": "linux", "gpu": "NVIDIA GeForce RTX 4090", "driver": "580.95.05"}, "2.15.0+cu130"),
    "old-driver": ({"os": "linux", "gpu": "NVIDIA GeForce RTX 3060", "driver": "470.82.01"}, "2.7.1+cu118"),
    "radeon": ({"os": "linux", "gpu": "AMD Radeon RX 7900 XTX"}, "2.14.1+rocm7.2"),
    "arc-windows": ({"os": "windows 11", "gpu": "Intel(R) Arc(TM) A770 Graphics"}, "2.15.0+xpu"),
    "cpu": ({"os": "linux"}, "2.15.0+cpu"),
    "cpu-windows": ({"os": "windows 11"}, "2.15.0+cpu"),
    "gb10": ({"os": "linux", "arch": "aarch64", "gpu": "NVIDIA GB10", "driver": "580.95.05"}, "2.15.0+cu130"),
    "mac": ({"macos": "14.5", "arch": "arm64", "gpu": "Apple M2"}, "2.15.0"),
}


@pytest.fixture(scope="module")
def mirrors(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """whl/TAG/torch as the catalog says that the PyTorch index is, simple/ as the default index, with stand-ins."""
    root = tmp_path_factory.mktemp("mirrors")
    for release in catalog.load().releases[-18:]:
        for platform, tags in release.index.items():
            for tag in tags:
                for name, version in (("torch", release.torch), ("torchvision", release.torchvision)):
                    folder = root / "whl" / tag / name
                    write_wheel(folder, wheel_name(name, f"{version}+{tag}", PYTHON, platform), ["pillow"])
        for platform in release.default:
            if platform in PLATFORM:
                write_wheel(root / "simple" / "torch", wheel_name("torch", release.torch, PYTHON, platform), ["pillow"])
    # The PyTorch index also holds old copies of other packages: they must not win over the default index's.
    for tag in (root / "whl").iterdir():
        write_wheel(tag / "pillow", "pillow-9.0.0-py3-none-any.whl")
    for facts, _ in MACHINES.values():
        plan = planned(facts, "http://127.0.0.1:1")
        for name, version in simple_packages(dict(plan.packages)):
            write_wheel(root / "simple" / name.replace("_", "-"), f"{name}-{version}-py3-none-any.whl")
    for index in (*(root / "whl").iterdir(), root / "simple"):
        write_listing(index)
    return root


def planned(facts: Dict[str, Any], base: str) -> Plan:
    machine = state_machine({**facts, "python": [f"{PYTHON}.4"], "index_url": f"{base}/simple"})
    plan = planning.plan(machine, Wish(torch_index=f"{base}/whl", index=f"{base}/simple"), catalog.load())
    assert isinstance(plan, Plan), plan.problem
    return plan


def install(plan: Plan, target: Path) -> str:
    """Install the plan's requirements with the plan's own arguments for the plan's platform; uv's words on failure."""
    kept = {name: text for name, text in os.environ.items() if not name.startswith(("UV_", "PIP_", "PYTHON"))}
    kept.update(UV_CACHE_DIR=str(target.parent / "cache"), MACOSX_DEPLOYMENT_TARGET="14.5", NO_PROXY="127.0.0.1")
    lines = requirement_lines(plan)
    arguments: List[str] = list(resolver_arguments(plan, plan.indexes))
    command = [
        uv.find_uv_bin(), "pip", "install", "--no-config", "--target", str(target), "--only-binary", ":all:",
        "--python-platform", PLATFORM[plan.platform], "--python-version", plan.python, *arguments, *lines,
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, env=kept, check=False)
    return "" if done.returncode == 0 else done.stderr


@pytest.mark.parametrize("name", sorted(MACHINES))
def test_what_was_planned_is_what_gets_installed(name: str, mirrors: Path, tmp_path: Path) -> None:
    facts, wanted = MACHINES[name]
    with serve(mirrors) as (base, asked):
        plan = planned(facts, base)
        assert plan.torch.local_version == wanted
        failed = install(plan, tmp_path / "site")
    assert not failed
    found = sorted(path.name for path in (tmp_path / "site").glob("torch-*.dist-info"))
    assert found == [f"torch-{wanted}.dist-info"]
    if plan.torch.source is SourceKind.PYTORCH_INDEX:
        assert f"/whl/{plan.torch.tag}/torch/" in asked
        assert not [path for path in asked if path.startswith("/whl/") and f"/whl/{plan.torch.tag}/" not in path]
    pillow = plan.packages["pillow"].lstrip("=")
    assert (tmp_path / "site" / f"pillow-{pillow}.dist-info").is_dir()


def test_a_find_links_folder_is_used_though_an_index_has_a_newer_torch(mirrors: Path, tmp_path: Path) -> None:
    folder = tmp_path / "wheels"
    filename = wheel_name("torch", "2.13.0+cpu", PYTHON, "linux-x86_64")
    write_wheel(folder, filename)
    with serve(mirrors) as (base, _):
        sources = [
            {"kind": "pytorch-index", "reachable": False},
            {"kind": "find-links", "url": str(folder), "torch_wheels": [filename]},
            {"kind": "default-index", "url": f"{base}/simple", "reachable": True},
        ]
        facts = {"os": "linux", "python": [f"{PYTHON}.4"], "sources": sources, "find_links": [str(folder)]}
        plan = planning.plan(state_machine({**facts, "index_url": f"{base}/simple"}), Wish(), catalog.load())
        assert isinstance(plan, Plan)
        assert plan.torch.source is SourceKind.FIND_LINKS
        failed = install(plan, tmp_path / "site")
    assert not failed
    assert (tmp_path / "site" / "torch-2.13.0+cpu.dist-info").is_dir()


def test_without_the_plans_own_arguments_another_torch_comes(mirrors: Path, tmp_path: Path) -> None:
    """The control: the same requirement without its index can't be met, and without its local tag another one comes."""
    with serve(mirrors) as (base, _):
        plan = planned(MACHINES["pascal"][0], base)
        target = tmp_path / "site"
        command = [
            uv.find_uv_bin(), "pip", "install", "--no-config", "--no-deps", "--target", str(target), "--only-binary",
            ":all:", "--python-platform", PLATFORM[plan.platform], "--python-version", plan.python,
            "--default-index", f"{base}/simple", "--cache-dir", str(tmp_path / "cache"),
        ]  # fmt: skip
        exact = subprocess.run([*command, "torch==2.14.1+cu126"], capture_output=True, text=True, check=False)
        assert exact.returncode != 0
        subprocess.run([*command, "torch==2.14.1"], capture_output=True, text=True, check=True)
    assert (target / "torch-2.14.1.dist-info").is_dir()
