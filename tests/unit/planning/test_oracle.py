"""The oracle itself can fail: plans that are wrong in one way each are caught."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Dict

import pytest

from dreamboot import catalog, planning
from dreamboot.model import Driver, Gpu, Machine, Plan, Python, SourceKind, Vendor, Wish

from .oracle import violations

MACHINE = Machine(
    os="linux", libc="glibc", libc_version="2.36",
    gpus=(Gpu(vendor=Vendor.NVIDIA, name="NVIDIA GeForce GTX 1080", compute_capability="6.1", vram_total_mib=8192),),
    drivers=(Driver(vendor=Vendor.NVIDIA, version="550.54.15"),),
    pythons=(Python(path="/py/3.12", version="3.12.1"), Python(path="/py/3.12-32", version="3.12.1", bits=32)),
)  # fmt: skip


def faults(**changes: Any) -> str:
    plan = planning.plan(MACHINE, Wish(), catalog.load())
    assert isinstance(plan, Plan)
    torch: Dict[str, Any] = {name: changes.pop(name) for name in ("version", "tag", "source") if name in changes}
    wrong = replace(plan, torch=replace(plan.torch, **torch), **changes)
    return "; ".join(violations(MACHINE, Wish(), wrong, {0: "6.1"}))


def test_the_plan_itself_is_clean() -> None:
    assert faults() == ""


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"version": "2.14.1", "tag": "cu130"}, "no code for 6.1"),
        ({"version": "2.14.1", "tag": "cu130"}, "does not reach 580"),
        ({"version": "2.5.1", "tag": "cu124"}, "below the trainer's floor"),
        ({"version": "2.14.1", "tag": "cu118"}, "the PyTorch index has no cu118"),
        ({"source": SourceKind.DEFAULT_INDEX}, "the default index has no cu126"),
        ({"tag": "cpu"}, "does not compute on cuda"),
        ({"python": "3.15"}, "no wheel for Python 3.15"),
        ({"python_path": "/py/3.12-32"}, "can't run the environment"),
        (
            {"packages": {"bitsandbytes": "==0.48.2", "accelerate": "==1.15.0"}, "version": "2.10.0", "tag": "cu128"},
            "no code",
        ),
        ({"packages": {"diffusers": "==0.34.0", "transformers": "==5.23.0"}}, "diffusers-flax-weights-name"),
        ({"accelerate": {"use_gpu": True}}, "accelerate does not know"),
    ],
)
def test_a_wrong_plan_is_caught(changes: Dict[str, Any], fault: str) -> None:
    assert fault in faults(**changes)
