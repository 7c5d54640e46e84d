"""Main memory suffices to load a model."""

from __future__ import annotations

from dreamboot.doctor.check import Case, Check, Outcome, manual, ok, warning
from dreamboot.doctor.facts.values import Facts
from dreamboot.model import Machine, Status

# SD 1.5 in fp32 with its optimizer state on the way through main memory takes about 6 GiB.
LEAST = 7_500


def applies(facts: Facts) -> bool:
    """The memory is known, and this is not WSL (which has a check of its own)."""
    return facts.machine.ram_total_mib is not None and not facts.machine.wsl


def run(facts: Facts) -> Outcome:
    """Memory with swap; on Windows a missing page file is what fails first."""
    have, swap = facts.machine.ram_total_mib or 0, facts.machine.swap_total_mib
    if have + (swap or 0) < LEAST:
        return warning(
            "There is little main memory.",
            f"{have} MiB and {swap or 0} MiB swap; loading a model wants 8 GiB, SDXL 16.",
            manual("num_workers=0", "fewer copies; add swap or memory"),
        )
    if facts.machine.os == "windows" and swap is not None and swap < 4_000:
        return warning(
            "Windows' page file is small.",
            f"{swap} MiB; torch and large models commit much more than they use (WinError 1455).",
            manual("SystemPropertiesPerformance.exe", "Advanced, Virtual memory: let Windows manage the page file"),
        )
    return ok(f"{have} MiB of memory, {swap or 0} MiB swap")


CHECK = Check(
    id="memory-room",
    area="disk-memory",
    why="The kernel ends a program that takes too much ('Killed', signal 9), Windows says 1455.",
    run=run,
    applies=applies,
    cases=("mem-pagefile-kohya", "mem-pagefile-safetensors", "mem-sigkill-simpletuner"),
    examples=(
        Case(facts=Facts(machine=Machine(os="linux", ram_total_mib=16_000)), expect=Status.OK),
        Case(facts=Facts(machine=Machine(os="linux", ram_total_mib=3_900)), expect=Status.WARNING),
        Case(
            facts=Facts(machine=Machine(os="windows", ram_total_mib=32_000, swap_total_mib=800)), expect=Status.WARNING
        ),
    ),
)
