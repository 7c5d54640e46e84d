"""fp16 is configured only where the GPU computes it rightly."""

from __future__ import annotations

from dreamboot import catalog
from dreamboot.catalog import gpus
from dreamboot.doctor.check import Case, Check, Outcome, manual, ok, warning
from dreamboot.doctor.facts.values import AccelerateConfig, Facts
from dreamboot.model import Gpu, Machine, Status, Vendor


def applies(facts: Facts) -> bool:
    """An NVIDIA GPU."""
    return any(gpu.vendor is Vendor.NVIDIA for gpu in facts.machine.gpus)


def run(facts: Facts) -> Outcome:
    """GTX 16 cards give NaN in half precision."""
    for gpu in facts.machine.gpus:
        found = gpus.find(gpu.name, catalog.load()) if gpu.vendor is Vendor.NVIDIA else None
        if (
            found is not None
            and found.models
            and not found.models[0].fp16
            and facts.accelerate.settings.get("mixed_precision") == "fp16"
        ):
            return warning(
                "fp16 is configured, and this GPU computes it wrongly.",
                f"{gpu.name}: half precision gives NaN and black pictures.",
                manual("accelerate launch --mixed_precision no ...", "trains in fp32"),
                link="https://github.com/pytorch/pytorch/issues/77955",
            )
    return ok("half precision is safe on these GPUs, or not configured")


def _facts(name: str, precision: str) -> Facts:
    gpu = Gpu(vendor=Vendor.NVIDIA, name=name, compute_capability="7.5")
    return Facts(
        machine=Machine(os="linux", gpus=(gpu,)),
        accelerate=AccelerateConfig(exists=True, settings={"mixed_precision": precision}),
    )


CHECK = Check(
    id="precision-fp16",
    area="precision",
    why="Training runs to its end, and every picture is black.",
    run=run,
    applies=applies,
    requires=("accelerate-config",),
    examples=(
        Case(facts=_facts("NVIDIA GeForce RTX 2070", "fp16"), expect=Status.OK),
        Case(facts=_facts("NVIDIA GeForce GTX 1660", "fp16"), expect=Status.WARNING),
    ),
)
