"""The ROCm build of torch holds code for the AMD GPU, or an override stands in for it."""

from __future__ import annotations

from dreamboot import catalog
from dreamboot.doctor.check import Case, Check, Outcome, error, info, manual, ok
from dreamboot.doctor.facts.values import Facts, Torch
from dreamboot.model import Gpu, Machine, Status, Vendor


def applies(facts: Facts) -> bool:
    """A ROCm build, and an AMD GPU whose target is known."""
    return facts.torch is not None and facts.torch.tag.startswith("rocm") and any(gpu.gfx for gpu in facts.machine.gpus)


def run(facts: Facts) -> Outcome:
    """The catalog knows the targets of each ROCm tag and the legitimate overrides."""
    tag = facts.torch.tag if facts.torch else ""
    for gpu in facts.machine.gpus:
        row = catalog.load().amd(gpu.gfx) if gpu.vendor is Vendor.AMD and gpu.gfx else None
        if row is None or tag in row.tags:
            continue
        given = facts.environ.get("HSA_OVERRIDE_GFX_VERSION", "")
        if given:
            return info(f"{gpu.name} ({gpu.gfx}) runs as {given} (HSA_OVERRIDE_GFX_VERSION)")
        hint = f"export HSA_OVERRIDE_GFX_VERSION={row.override}" if row.override else "dreamboot plan"
        return error(
            "This build of torch has no code for the AMD GPU.",
            f"{gpu.name} is {gpu.gfx}; {tag} was not compiled for it.",
            manual(
                hint,
                "the GPU runs code of its nearest relative" if row.override else "nothing: shows what fits this GPU",
            ),
            link="https://rocm.docs.amd.com/projects/install-on-linux/en/latest/reference/system-requirements.html",
        )
    return ok(f"{tag} holds code for the AMD GPUs")


def _facts(gfx: str, **environ: str) -> Facts:
    gpu = Gpu(vendor=Vendor.AMD, name="Radeon", gfx=gfx)
    return Facts(
        torch=Torch(version="2.10.0+rocm6.4", tag="rocm6.4"), machine=Machine(os="linux", gpus=(gpu,)), environ=environ
    )


CHECK = Check(
    id="torch-code-for-amd",
    area="compute-capability",
    why="Without code for the GPU HIP stops with hipErrorNoBinaryForGpu.",
    run=run,
    applies=applies,
    requires=("torch-found",),
    cases=("cc-rocm-gfx1031",),
    examples=(
        Case(facts=_facts("gfx1030"), expect=Status.OK),
        Case(facts=_facts("gfx1031"), expect=Status.ERROR),
        Case(facts=_facts("gfx1031", HSA_OVERRIDE_GFX_VERSION="10.3.0"), expect=Status.INFO),
    ),
)
