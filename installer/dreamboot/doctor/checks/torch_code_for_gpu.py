"""The build of torch holds machine code for every NVIDIA GPU."""

# ruff: noqa: E501 - sentences and commands are kept whole

from __future__ import annotations

from typing import Tuple

from dreamboot import catalog
from dreamboot.catalog.versions import numbers
from dreamboot.doctor.check import Case, Check, Outcome, error, info, ok, torch_steps, warning
from dreamboot.doctor.facts.values import Facts, Torch
from dreamboot.model import Gpu, Machine, Status, Vendor


def applies(facts: Facts) -> bool:
    """A CUDA build, and NVIDIA GPUs whose compute capability is known."""
    return (
        facts.torch is not None
        and facts.torch.tag.startswith("cu")
        and any(gpu.compute_capability for gpu in _nvidia(facts))
    )


def _nvidia(facts: Facts) -> Tuple[Gpu, ...]:
    return tuple(gpu for gpu in facts.machine.gpus if gpu.vendor is Vendor.NVIDIA)


def _runs(code: Tuple[str, ...], capability: str) -> bool:
    """Same major, minor not above the GPU's: sm_86 code runs on 8.9, sm_90 code not."""
    gpu = numbers(capability)
    return any(numbers(one)[:1] == gpu[:1] and numbers(one) <= gpu for one in code)


def run(facts: Facts) -> Outcome:
    """The catalog's table decides, the same as in planning."""
    torch = facts.torch
    assert torch is not None  # noqa: S101 - applies() saw it
    row = catalog.load().architectures(torch.release, torch.tag, facts.platform)
    if row is None:
        return info(f"what torch {torch.version} holds code for is not in the catalog")
    without = [gpu for gpu in _nvidia(facts) if gpu.compute_capability and not _runs(row.code, gpu.compute_capability)]
    if not without:
        return ok(
            f"torch {torch.version} holds code for "
            + ", ".join(f"{gpu.name} ({gpu.compute_capability})" for gpu in _nvidia(facts))
        )
    gpu = without[0]
    compiles = [one for one in row.ptx if numbers(one) <= numbers(gpu.compute_capability)]
    cause = f"{gpu.name} has compute capability {gpu.compute_capability}; torch {torch.version} holds code for {', '.join(row.code)}."
    steps = torch_steps(facts, "cu126" if numbers(gpu.compute_capability) < (7, 5) else "cu128")
    if compiles:
        return warning("This build of torch must be compiled for the GPU at each first use.", cause, *steps)
    return error(
        "This build of torch has no machine code for the GPU.",
        cause,
        *steps,
        link="https://github.com/pytorch/pytorch/blob/main/RELEASE.md",
    )


def _facts(version: str, name: str, capability: str) -> Facts:
    gpu = Gpu(vendor=Vendor.NVIDIA, name=name, compute_capability=capability)
    return Facts(torch=Torch(version=version, tag=version.partition("+")[2]), machine=Machine(os="linux", gpus=(gpu,)))


CHECK = Check(
    id="torch-code-for-gpu",
    area="compute-capability",
    why="Without code for the GPU every kernel fails with 'no kernel image is available'.",
    run=run,
    applies=applies,
    requires=("torch-found",),
    cases=("cc-pascal-cu128", "cc-volta-cu130"),
    examples=(
        Case(facts=_facts("2.11.0+cu126", "RTX 4090", "8.9"), expect=Status.OK),
        Case(facts=_facts("2.11.0+cu126", "GTX 1080", "6.1"), expect=Status.OK),
        Case(facts=_facts("2.8.0+cu128", "GTX 1050", "6.1"), expect=Status.ERROR),
        Case(facts=_facts("2.12.0+cu130", "Tesla V100", "7.0"), expect=Status.ERROR),
        Case(facts=_facts("2.6.0+cu124", "RTX 5090", "12.0"), expect=Status.ERROR),
    ),
)
