"""The build of torch is for the maker of this machine's GPU."""

from __future__ import annotations

from dreamboot.doctor.check import Case, Check, Outcome, error, info, ok, torch_steps
from dreamboot.doctor.facts.values import Facts, Torch
from dreamboot.model import Gpu, Machine, Status, Vendor

MAKERS = {"cu": Vendor.NVIDIA, "rocm": Vendor.AMD, "xpu": Vendor.INTEL}


def _wanted(tag: str) -> Vendor:
    return next((vendor for start, vendor in MAKERS.items() if tag.startswith(start)), Vendor.NVIDIA)


def applies(facts: Facts) -> bool:
    """torch is a GPU build."""
    return facts.torch is not None and facts.torch.tag.startswith(tuple(MAKERS))


def run(facts: Facts) -> Outcome:
    """An integrated GPU of another maker beside the wanted one is no fault."""
    assert facts.torch is not None  # noqa: S101 - applies() saw it
    wanted = _wanted(facts.torch.tag)
    there = {gpu.vendor for gpu in facts.machine.gpus}
    strong = {gpu.vendor for gpu in facts.machine.gpus if not gpu.integrated}
    if wanted in there:
        return ok(f"torch {facts.torch.version} is for {wanted.value}")
    if not strong:
        return info(f"torch {facts.torch.version} is a build for {wanted.value} GPUs; this machine shows none")
    other = sorted(vendor.value for vendor in strong)[0]
    fits = {"amd": "rocm", "intel": "xpu", "nvidia": "cu126"}.get(other, "cpu")
    return error(
        "This build of torch is for another maker's GPUs.",
        f"Expected a build for {other}, found {facts.torch.tag}.",
        *torch_steps(facts, fits),
    )


def _facts(tag: str, *gpus: Gpu) -> Facts:
    return Facts(torch=Torch(version=f"2.11.0+{tag}", tag=tag), machine=Machine(os="linux", gpus=gpus))


_AMD = Gpu(vendor=Vendor.AMD, name="Radeon RX 7900 XTX", gfx="gfx1100")

CHECK = Check(
    id="gpu-maker",
    area="driver",
    why="The CUDA build finds no driver on a machine with an AMD GPU, and says so in a way that points at NVIDIA.",
    run=run,
    applies=applies,
    requires=("torch-found",),
    cases=("drv-none-amd-card", "cpu-kohya-amd"),
    examples=(
        Case(facts=_facts("cu126", _AMD), expect=Status.ERROR),
        Case(facts=_facts("rocm6.4", _AMD), expect=Status.OK),
        Case(facts=_facts("cu126"), expect=Status.INFO),
        Case(
            facts=_facts(
                "cu126", Gpu(vendor=Vendor.NVIDIA, name="T4"), Gpu(vendor=Vendor.INTEL, name="UHD", integrated=True)
            ),
            expect=Status.OK,
        ),
    ),
)
