"""Video memory suffices for a kind of training."""

from __future__ import annotations

from dreamboot import catalog
from dreamboot.doctor.check import Case, Check, Outcome, info, manual, ok, warning
from dreamboot.doctor.facts.values import Facts
from dreamboot.model import Gpu, Machine, Status, Vendor


def applies(facts: Facts) -> bool:
    """The size of a GPU's memory is known."""
    return any(gpu.vram_total_mib and not gpu.integrated for gpu in facts.machine.gpus)


def run(facts: Facts) -> Outcome:
    """Of the largest GPU, against the smallest peaks of SD 1.5 that the planner knows."""
    has, name = max((gpu.vram_total_mib or 0, gpu.name) for gpu in facts.machine.gpus)
    if has < _peak("lora"):
        return warning(
            "This GPU is too small for training.",
            f"{name} has {has} MiB; LoRA of SD 1.5 takes {_peak('lora')} MiB at least.",
            manual("dreamboot plan --method lora", "nothing: shows what fits, if anything"),
        )
    if has < _peak("full"):
        return info(f"{name} has {has} MiB: LoRA of SD 1.5 fits, full DreamBooth ({_peak('full')} MiB) does not")
    return ok(f"{name} has {has} MiB")


def _peak(method: str) -> int:
    """MiB of the leanest recipe."""
    rows = catalog.load().table("memory")
    peak: int = min(row.most_mib for row in rows if (row.family, row.method) == ("sd1", method))
    return peak


def _facts(size: int) -> Facts:
    return Facts(machine=Machine(os="linux", gpus=(Gpu(vendor=Vendor.NVIDIA, name="GPU", vram_total_mib=size),)))


CHECK = Check(
    id="vram-size",
    area="vram",
    why="A training that can't fit is better not begun.",
    run=run,
    applies=applies,
    cases=("vram-4gb", "vram-8gb-dreambooth-tab"),
    examples=(
        Case(facts=_facts(24_000), expect=Status.OK),
        Case(facts=_facts(8_192), expect=Status.INFO),
        Case(facts=_facts(4_096), expect=Status.INFO),
        Case(facts=_facts(2_048), expect=Status.WARNING),
    ),
)
