"""bf16 is configured only where the GPU can."""

from __future__ import annotations

from dreamboot.catalog.versions import numbers
from dreamboot.doctor.check import Case, Check, Outcome, error, manual, ok
from dreamboot.doctor.facts.values import AccelerateConfig, Facts
from dreamboot.model import Gpu, Machine, Status, Vendor


def applies(facts: Facts) -> bool:
    """bf16 is configured, and the GPU is an NVIDIA one."""
    return facts.accelerate.settings.get("mixed_precision") == "bf16" and any(
        gpu.compute_capability for gpu in facts.machine.gpus
    )


def run(facts: Facts) -> Outcome:
    """Compute capability 8.0 and later."""
    for gpu in facts.machine.gpus:
        if gpu.vendor is Vendor.NVIDIA and gpu.compute_capability and numbers(gpu.compute_capability) < (8, 0):
            return error(
                "bf16 is configured, and this GPU can't.",
                f"{gpu.name} has compute capability {gpu.compute_capability}; bf16 needs 8.0.",
                manual(
                    "accelerate launch --mixed_precision fp16 ...",
                    "the half precision of older GPUs; write it into the configuration, too",
                ),
            )
    return ok("the GPU computes in bf16")


def _facts(capability: str) -> Facts:
    gpu = Gpu(vendor=Vendor.NVIDIA, name="RTX 2070", compute_capability=capability)
    return Facts(
        machine=Machine(os="linux", gpus=(gpu,)),
        accelerate=AccelerateConfig(exists=True, settings={"mixed_precision": "bf16"}),
    )


CHECK = Check(
    id="precision-bf16",
    area="precision",
    why="Pre-Ampere cards fail or crawl in bf16.",
    run=run,
    applies=applies,
    requires=("accelerate-config",),
    cases=("dt-bf16-unsupported",),
    examples=(Case(facts=_facts("8.6"), expect=Status.OK), Case(facts=_facts("7.5"), expect=Status.ERROR)),
)
