"""No other program holds much video memory."""

from __future__ import annotations

from dreamboot.doctor.check import Case, Check, Outcome, manual, ok, warning
from dreamboot.doctor.facts.values import Facts
from dreamboot.model import Gpu, GpuProcess, Machine, Status, Vendor

MUCH = 1024


def applies(facts: Facts) -> bool:
    """There is a GPU."""
    return bool(facts.machine.gpus)


def run(facts: Facts) -> Outcome:
    """Processes that hold over a GiB together."""
    for gpu in facts.machine.gpus:
        held = sum(process.vram_mib or 0 for process in gpu.processes)
        if held >= MUCH:
            listed = ", ".join(
                f"{process.name or 'process'} {process.pid} ({process.vram_mib} MiB)" for process in gpu.processes[:3]
            )
            return warning(
                "Other programs hold video memory.",
                f"{gpu.name}: {held} MiB by {listed}.",
                manual(
                    "nvidia-smi --query-compute-apps=pid,name,used_memory --format=csv",
                    "nothing: shows them; close what you can spare",
                ),
            )
    return ok("no program holds much video memory")


def _facts(*held: int) -> Facts:
    gpu = Gpu(vendor=Vendor.NVIDIA, name="RTX 4090", processes=tuple(GpuProcess(pid=9, vram_mib=one) for one in held))
    return Facts(machine=Machine(os="linux", gpus=(gpu,)))


CHECK = Check(
    id="vram-others",
    area="vram",
    why="What a browser or another training holds, is missing at the first step.",
    run=run,
    applies=applies,
    cases=("vram-flux-24gb",),
    examples=(Case(facts=_facts(200), expect=Status.OK), Case(facts=_facts(600, 900), expect=Status.WARNING)),
)
