"""The CPU build of torch is not used on a machine whose GPU it could use."""

from __future__ import annotations

from dreamboot.doctor.check import Case, Check, Outcome, error, ok, torch_steps
from dreamboot.doctor.facts.values import Facts, Torch
from dreamboot.model import Gpu, Machine, Status, Vendor


def applies(facts: Facts) -> bool:
    """torch is the CPU build."""
    return facts.torch is not None and facts.torch.tag == "cpu"


def run(facts: Facts) -> Outcome:
    """Integrated GPUs do not count: most can't train anyway."""
    strong = [gpu for gpu in facts.machine.gpus if gpu.vendor in (Vendor.NVIDIA, Vendor.AMD) and not gpu.integrated]
    if not strong:
        return ok("the CPU build of torch, and no GPU that it could miss")
    tag = "rocm" if strong[0].vendor is Vendor.AMD else "auto"
    return error(
        "The installed torch is the CPU build.",
        f"Expected a build for {strong[0].name}, found torch {facts.torch.version if facts.torch else ''}.",
        *torch_steps(facts, tag),
        link="https://pytorch.org/get-started/locally/",
    )


_CPU = Torch(version="2.11.0+cpu", tag="cpu")

CHECK = Check(
    id="torch-cpu-build",
    area="cpu-wheel-installed",
    why="Training then runs on the CPU, a hundred times slower, or stops with 'Torch not compiled with CUDA enabled'.",
    run=run,
    applies=applies,
    requires=("torch-found",),
    cases=("cpu-webui-skip-cuda-test", "cpu-xformers-pulled-cpu-torch", "acc-fp16-gpu"),
    examples=(
        Case(facts=Facts(torch=_CPU), expect=Status.OK),
        Case(
            facts=Facts(
                torch=_CPU,
                machine=Machine(
                    os="linux", gpus=(Gpu(vendor=Vendor.NVIDIA, name="RTX 3060", compute_capability="8.6"),)
                ),
            ),
            expect=Status.ERROR,
        ),
        Case(
            facts=Facts(
                torch=_CPU,
                machine=Machine(os="linux", gpus=(Gpu(vendor=Vendor.INTEL, name="UHD 770", integrated=True),)),
            ),
            expect=Status.OK,
        ),
    ),
)
