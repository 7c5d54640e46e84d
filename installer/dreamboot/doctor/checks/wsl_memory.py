"""WSL was given enough memory."""

from __future__ import annotations

from dreamboot.doctor.check import Case, Check, Outcome, manual, ok, warning
from dreamboot.doctor.facts.values import Facts
from dreamboot.model import Machine, Status

ENOUGH = 15_000


def applies(facts: Facts) -> bool:
    """Inside of WSL, and the memory is known."""
    return facts.machine.wsl > 0 and facts.machine.ram_total_mib is not None


def run(facts: Facts) -> Outcome:
    """By default WSL gets half of the machine's memory."""
    have = (facts.machine.ram_total_mib or 0) + (facts.machine.swap_total_mib or 0)
    if have < ENOUGH:
        return warning(
            "WSL has little memory.",
            f"{have} MiB with swap; loading SDXL wants 16 GiB, FLUX 32. The kernel then ends the program: 'Killed'.",
            manual(
                "[wsl2]\nmemory=24GB\nswap=32GB", "write it into %UserProfile%\\.wslconfig, then run wsl --shutdown"
            ),
            link="https://learn.microsoft.com/windows/wsl/wsl-config",
        )
    return ok(f"{have} MiB with swap")


CHECK = Check(
    id="wsl-memory",
    area="wsl",
    why="The machine has enough memory, WSL has not.",
    run=run,
    applies=applies,
    cases=("wsl-oom-killed",),
    examples=(
        Case(facts=Facts(machine=Machine(os="linux", wsl=2, ram_total_mib=8000)), expect=Status.WARNING),
        Case(facts=Facts(machine=Machine(os="linux", wsl=2, ram_total_mib=32000)), expect=Status.OK),
    ),
)
