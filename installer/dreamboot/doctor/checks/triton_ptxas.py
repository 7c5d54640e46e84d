"""triton's compiler knows the GPU."""

from __future__ import annotations

from dreamboot.catalog.versions import numbers
from dreamboot.doctor.check import Case, Check, Outcome, error, install, manual, ok, warning
from dreamboot.doctor.facts.values import Facts, Package
from dreamboot.doctor.versions import within
from dreamboot.model import Gpu, Machine, Status, Vendor


def _newest(facts: Facts) -> str:
    found = [
        gpu.compute_capability for gpu in facts.machine.gpus if gpu.vendor is Vendor.NVIDIA and gpu.compute_capability
    ]
    return max(found, key=numbers, default="")


def applies(facts: Facts) -> bool:
    """triton is there, and a Blackwell GPU."""
    return bool(facts.version("triton")) and numbers(_newest(facts)) >= (12, 0)


def run(facts: Facts) -> Outcome:
    """triton 3.3 brought sm_120; sm_121 needs the ptxas of CUDA 13."""
    have, capability = facts.version("triton"), _newest(facts)
    if within(have, "<3.3"):
        return error(
            "triton is older than the GPU.",
            f"Expected triton 3.3 or later for compute capability {capability}, found {have}.",
            install(facts, "triton>=3.3"),
        )
    if (
        numbers(capability) >= (12, 1)
        and "TRITON_PTXAS_PATH" not in facts.environ
        and facts.torch is not None
        and not facts.torch.cuda.startswith("13")
    ):
        return warning(
            "triton's ptxas may not know the GB10.",
            f"Compute capability {capability} needs the ptxas of CUDA 13.",
            manual("export TRITON_PTXAS_PATH=/usr/local/cuda/bin/ptxas", "triton uses the machine's own"),
        )
    return ok(f"triton {have} knows compute capability {capability}")


def _facts(triton: str, capability: str) -> Facts:
    gpu = Gpu(vendor=Vendor.NVIDIA, name="RTX 5070 Ti", compute_capability=capability)
    return Facts(packages=(Package(name="triton", version=triton),), machine=Machine(os="linux", gpus=(gpu,)))


CHECK = Check(
    id="triton-ptxas",
    area="compute-capability",
    why="torch.compile and several attention kernels are compiled by triton for the very GPU.",
    run=run,
    applies=applies,
    cases=("cc-ptxas-sm120", "cc-ptxas-sm121a"),
    examples=(
        Case(facts=_facts("3.2.0", "12.0"), expect=Status.ERROR),
        Case(facts=_facts("3.5.0", "12.0"), expect=Status.OK),
    ),
)
