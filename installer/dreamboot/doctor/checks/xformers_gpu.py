"""xformers knows a GPU as new as this one."""

from __future__ import annotations

from dreamboot.catalog.versions import numbers
from dreamboot.doctor.check import Case, Check, Outcome, error, ok, uninstall
from dreamboot.doctor.facts.values import Facts, Package
from dreamboot.doctor.versions import within
from dreamboot.model import Gpu, Machine, Status, Vendor


def _blackwell(facts: Facts) -> bool:
    return any(gpu.vendor is Vendor.NVIDIA and numbers(gpu.compute_capability) >= (10, 0) for gpu in facts.machine.gpus)


def applies(facts: Facts) -> bool:
    """xformers and a Blackwell GPU."""
    return bool(facts.version("xformers")) and _blackwell(facts)


def run(facts: Facts) -> Outcome:
    """0.0.30 is the first release for compute capability 10 and 12."""
    have = facts.version("xformers")
    if within(have, "<0.0.30"):
        return error(
            "xformers is older than the GPU.",
            f"Expected xformers 0.0.30 or later for RTX 50, found {have}.",
            uninstall(facts, "xformers", why="training uses torch's own attention (SDPA)"),
        )
    return ok(f"xformers {have} knows this GPU")


def _facts(version: str) -> Facts:
    gpu = Gpu(vendor=Vendor.NVIDIA, name="RTX 5090", compute_capability="12.0")
    return Facts(packages=(Package(name="xformers", version=version),), machine=Machine(os="linux", gpus=(gpu,)))


CHECK = Check(
    id="xformers-gpu",
    area="attention",
    why="An older release refuses the GPU: '(too new)'.",
    run=run,
    applies=applies,
    requires=("xformers-fits",),
    cases=("xf-cap-too-new",),
    examples=(Case(facts=_facts("0.0.29"), expect=Status.ERROR), Case(facts=_facts("0.0.33"), expect=Status.OK)),
)
