"""Video memory suffices for a kind of training."""

from __future__ import annotations

from dreamboot.doctor.check import Case, Check, Outcome, info, manual, ok, warning
from dreamboot.doctor.facts.values import Facts
from dreamboot.model import Gpu, Machine, Status, Vendor


def applies(facts: Facts) -> bool:
    """The size of a GPU's memory is known."""
    return any(gpu.vram_total_mib and not gpu.integrated for gpu in facts.machine.gpus)


def run(facts: Facts) -> Outcome:
    """Of the largest GPU: below 5 GiB nothing fits, below 11 only LoRA."""
    best = max((gpu.vram_total_mib or 0, gpu.name) for gpu in facts.machine.gpus)
    if best[0] < 5_000:
        return warning(
            "This GPU is too small for training.",
            f"{best[1]} has {best[0]} MiB; LoRA of SD 1.5 wants about 6 GiB.",
            manual("dreamboot plan --method lora", "nothing: shows what fits, if anything"),
        )
    if best[0] < 11_000:
        return info(f"{best[1]} has {best[0]} MiB: LoRA of SD 1.5 fits, full DreamBooth (12 GiB) does not")
    return ok(f"{best[1]} has {best[0]} MiB")


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
        Case(facts=_facts(4_096), expect=Status.WARNING),
    ),
)
