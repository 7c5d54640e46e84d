"""accelerate's configuration fits the GPUs of this machine."""

from __future__ import annotations

from dreamboot.doctor.check import Case, Check, Outcome, error, manual, ok, warning
from dreamboot.doctor.facts.values import AccelerateConfig, Facts
from dreamboot.model import Gpu, Machine, Status, Vendor

CONFIG = manual("accelerate config default", "writes a configuration for this machine")


def applies(facts: Facts) -> bool:
    """There is a configuration."""
    return facts.accelerate.exists and not facts.accelerate.fault


def run(facts: Facts) -> Outcome:
    """Number of processes, CPU, and distributed types that do not exist here."""
    told = facts.accelerate.settings
    gpus = [gpu for gpu in facts.machine.gpus if not gpu.integrated]
    kind = told.get("distributed_type", "no").upper()
    processes = int(told.get("num_processes", "1")) if told.get("num_processes", "1").isdigit() else 1
    if kind == "MULTI_GPU" and len(gpus) < 2:
        return error(
            "accelerate is configured for several GPUs.",
            f"distributed_type is MULTI_GPU with {processes} processes; this machine has {len(gpus)}.",
            CONFIG,
        )
    if kind == "MULTI_GPU" and processes > len(gpus):
        return error(
            "accelerate starts more processes than there are GPUs.",
            f"num_processes is {processes}, GPUs: {len(gpus)}.",
            CONFIG,
        )
    if told.get("use_cpu") == "true" and gpus:
        return warning(
            "accelerate is configured for the CPU.", f"use_cpu is true; this machine has {gpus[0].name}.", CONFIG
        )
    if told.get("mixed_precision") == "fp16" and not gpus:
        return warning(
            "accelerate is configured for fp16, and there is no GPU.",
            "fp16 needs a GPU; older releases stop with 'fp16 mixed precision requires a GPU'.",
            manual("accelerate launch --mixed_precision no ...", "trains in fp32"),
        )
    return ok(f"{kind.lower()}, {processes} process(es), mixed precision {told.get('mixed_precision', 'no')}")


def _facts(*gpus: str, **settings: str) -> Facts:
    found = tuple(Gpu(vendor=Vendor.NVIDIA, name=name, compute_capability="8.6") for name in gpus)
    return Facts(
        machine=Machine(os="linux", gpus=found),
        accelerate=AccelerateConfig(path="/h/c.yaml", exists=True, settings=settings),
    )


CHECK = Check(
    id="accelerate-devices",
    area="accelerate-config",
    why="A configuration that was copied from another machine asks for devices that are not here.",
    run=run,
    applies=applies,
    requires=("accelerate-config",),
    cases=("acc-fp16-gpu",),
    examples=(
        Case(facts=_facts("RTX 3060", mixed_precision="fp16"), expect=Status.OK),
        Case(facts=_facts("RTX 3060", distributed_type="MULTI_GPU", num_processes="2"), expect=Status.ERROR),
        Case(facts=_facts(mixed_precision="fp16"), expect=Status.WARNING),
        Case(facts=_facts("RTX 3060", use_cpu="true"), expect=Status.WARNING),
    ),
)
