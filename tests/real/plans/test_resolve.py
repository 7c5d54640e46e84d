"""Every plan's pins exist: resolved by uv, for the plan's own platform and Python, against the default index."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Dict, Iterator, Tuple

import pytest

from dreamboot import catalog, planning
from dreamboot.machine.stated import state_machine
from dreamboot.model import Machine, Plan, SourceKind, Wish
from machines import cases

from .uv_compile import PLATFORM, compile_plan

pytestmark = pytest.mark.real
DEFAULT_ONLY = [{"kind": "pytorch-index", "reachable": False}, {"kind": "default-index", "reachable": True}]
SECONDS = 170.0


def machines() -> Iterator[Tuple[Machine, Wish]]:
    """The stated machines, and a grid of systems, Pythons and drivers that have the default index alone."""
    for case in cases():
        yield case.machine, case.wish
    systems = [
        {"os": "linux"}, {"os": "linux", "arch": "aarch64"}, {"os": "windows 11"},
        {"macos": "14.5", "arch": "arm64", "gpu": "Apple M2"}, {"macos": "12.6", "arch": "arm64", "gpu": "Apple M1"},
        {"os": "linux", "gpu": "NVIDIA GeForce RTX 3060", "driver": "595.58.03"},
        {"os": "linux", "gpu": "NVIDIA GeForce RTX 3060", "driver": "550.54.15"},
        {"os": "linux", "gpu": "NVIDIA GeForce RTX 5090", "driver": "570.124.06"},
        {"os": "linux", "gpu": "NVIDIA GeForce GTX 1080", "driver": "580.95.05"},
    ]  # fmt: skip
    for system in systems:
        for python in ("3.10.12", "3.11.9", "3.12.4", "3.13.1", "3.14.2"):
            yield state_machine({**system, "python": [python], "sources": DEFAULT_ONLY}), Wish()


def distinct() -> Dict[Tuple[object, ...], Tuple[Plan, Machine]]:
    """One plan per different thing to resolve. Of plans from other sources, the packages beside torch are resolved."""
    found: Dict[Tuple[object, ...], Tuple[Plan, Machine]] = {}
    for machine, wish in machines():
        plan = planning.plan(machine, wish, catalog.load())
        if isinstance(plan, Plan) and plan.platform in PLATFORM and not machine.indexes.constraints:
            torch = plan.torch.version if plan.torch.source is SourceKind.DEFAULT_INDEX else ""
            key = (plan.platform, plan.python, torch, tuple(plan.packages.items())[1:])
            found.setdefault(key, (plan, machine))
    return dict(sorted(found.items(), key=lambda pair: pair[1][0].torch.source is not SourceKind.DEFAULT_INDEX))


def resolve(plan: Plan, machine: Machine, folder: Path) -> None:
    """One plan; raises `AssertionError` when a pin does not exist."""
    torch = f"torch=={plan.torch.version}"
    # Here the default index's torch stands in for a CPU build, and asks for a triton of its own, which that does not.
    left_out = ("torch", "triton") if plan.torch.tag == "cpu" else ("torch",)
    beside = [f"{name}{wanted.partition('+')[0]}" for name, wanted in plan.packages.items() if name not in left_out]
    versions = compile_plan(plan, [torch, *beside], folder, machine.os_version if machine.os == "macos" else "")
    assert versions["torch"] == plan.torch.version
    for name, wanted in plan.packages.items():
        if wanted.startswith("==") and name not in left_out:
            assert versions[name.replace("_", "-")] == wanted[2:].partition("+")[0]


def test_all_pins_exist(tmp_path: Path) -> None:
    begun, resolved = time.monotonic(), 0
    plans = list(distinct().values())
    for plan, machine in plans:
        resolve(plan, machine, tmp_path)
        resolved += 1
        if time.monotonic() - begun > SECONDS:
            break
    by_default = sum(plan.torch.source is SourceKind.DEFAULT_INDEX for plan, _ in plans[:resolved])
    print(f"\n{resolved} of {len(plans)} different plans resolved in {time.monotonic() - begun:.0f} s; "
          f"torch of {by_default} of them comes from the default index")  # fmt: skip
    assert resolved == len(plans)
    assert by_default >= 30
