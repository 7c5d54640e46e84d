"""bitsandbytes has a library for torch's CUDA version."""

from __future__ import annotations

import re
from typing import List

from dreamboot.doctor.check import Case, Check, Outcome, error, info, install, ok, reinstall
from dreamboot.doctor.facts.values import Extension, Facts, Torch
from dreamboot.doctor.versions import within
from dreamboot.model import Gpu, Machine, Status, Vendor


def applies(facts: Facts) -> bool:
    """Both are there."""
    return facts.extension("bitsandbytes") is not None and facts.torch is not None


def run(facts: Facts) -> Outcome:
    """libbitsandbytes_cudaNNN of torch's CUDA; from 0.50 on another minor of the same major does, too."""
    bnb, torch = facts.extension("bitsandbytes"), facts.torch
    assert bnb is not None  # noqa: S101 - applies() saw both
    assert torch is not None  # noqa: S101
    suffix = ".dll" if facts.machine.os == "windows" else ".so"
    fitting = [name for name in bnb.libraries if name.endswith((suffix, ".dylib"))]
    if not bnb.libraries:
        return error(
            "bitsandbytes has no compiled library at all.",
            "It was installed from a source checkout without its build step.",
            reinstall(facts, "bitsandbytes"),
        )
    if not fitting:
        return error(
            "This bitsandbytes has no libraries for this system.",
            f"Expected *{suffix}, found {bnb.libraries[0]}: releases before 0.43 are for Linux only.",
            install(facts, "bitsandbytes>=0.43"),
        )
    if torch.tag.startswith("cu"):
        return _cuda(facts, bnb, torch, fitting)
    if not any("_cpu" in name for name in fitting):
        return error(
            "bitsandbytes has lost its CPU library.",
            f"Expected libbitsandbytes_cpu{suffix} beside {fitting[0]}.",
            reinstall(facts, f"bitsandbytes=={bnb.version}"),
        )
    return ok(f"bitsandbytes {bnb.version}, {len(fitting)} libraries")


def _cuda(facts: Facts, bnb: Extension, torch: Torch, fitting: List[str]) -> Outcome:
    wanted = f"cuda{torch.tag[2:]}"
    have = sorted({found.group(1) for name in fitting for found in [re.search(r"(cuda\d+)", name)] if found})
    near = [name for name in have if name[:6] == wanted[:6]]
    if wanted in have:
        return ok(f"bitsandbytes {bnb.version} has a library for {torch.tag}")
    if near and within(bnb.version, ">=0.50"):
        return ok(f"bitsandbytes {bnb.version} takes its library for {near[-1]} (same CUDA major)")
    if not any(gpu.vendor is Vendor.NVIDIA for gpu in facts.machine.gpus):
        return info(f"bitsandbytes {bnb.version} has no library for {torch.tag}; no NVIDIA GPU here would use it")
    return error(
        "This bitsandbytes has no library for torch's CUDA version.",
        f"Expected libbitsandbytes_{wanted}, found {', '.join(have) or 'none for CUDA'}.",
        install(facts, "bitsandbytes>=0.50"),
        link="https://huggingface.co/docs/bitsandbytes/main/en/installation",
    )


def _facts(version: str, tag: str, *libraries: str, os: str = "linux") -> Facts:
    gpu = Gpu(vendor=Vendor.NVIDIA, name="RTX 5090", compute_capability="12.0")
    return Facts(
        torch=Torch(version=f"2.8.0+{tag}", tag=tag),
        extensions=(Extension(name="bitsandbytes", version=version, libraries=libraries),),
        machine=Machine(os=os, gpus=(gpu,)),
    )


CHECK = Check(
    id="bitsandbytes-library",
    area="bitsandbytes",
    why="Without its library the 8-bit optimizers fail at the first step, with an error that names something else.",
    run=run,
    applies=applies,
    requires=("torch-found", "files-missing"),
    cases=("bnb-setup-failed", "bnb-cuda128-dll", "bnb-source-build-no-so", "bnb-str2optimizer", "bnb-downgrade-043"),
    examples=(
        Case(facts=_facts("0.50.2", "cu126", "libbitsandbytes_cpu.so", "libbitsandbytes_cuda126.so"), expect=Status.OK),
        Case(facts=_facts("0.50.2", "cu129", "libbitsandbytes_cuda128.so"), expect=Status.OK),
        Case(facts=_facts("0.45.0", "cu128", "libbitsandbytes_cuda126.so"), expect=Status.ERROR),
        Case(facts=_facts("0.41.1", "cu118", "libbitsandbytes_cuda118.so", os="windows"), expect=Status.ERROR),
        Case(facts=_facts("0.44.0", "cpu"), expect=Status.ERROR),
    ),
)
