"""WSL sees the driver of Windows."""

from __future__ import annotations

from dreamboot.doctor.check import Case, Check, Outcome, error, info, manual, ok
from dreamboot.doctor.facts.values import Facts
from dreamboot.model import Fault, Machine, Status


def applies(facts: Facts) -> bool:
    """Inside of WSL."""
    return facts.machine.wsl > 0


def run(facts: Facts) -> Outcome:
    """WSL 2, libcuda in /usr/lib/wsl/lib, and a GPU in WDDM mode."""
    if facts.machine.wsl == 1:
        return error(
            "This is WSL 1, which has no GPU.",
            "CUDA needs WSL 2.",
            manual("wsl --set-version DISTRIBUTION 2", "in Windows: converts the distribution"),
        )
    for fault in facts.machine.faults:
        if fault.id == "nvidia-wsl-blocked":
            return error(
                "Windows does not share the GPU with WSL.",
                fault.cause,
                manual("nvidia-smi -g 0 -dm 0", "in Windows, as administrator: switches the GPU from TCC to WDDM"),
                link="https://docs.nvidia.com/cuda/wsl-user-guide/index.html",
            )
    if not facts.wsl_libraries:
        return info("no NVIDIA driver of Windows is shared with WSL (/usr/lib/wsl/lib holds no libcuda)")
    if "libcuda.so" not in facts.wsl_libraries:
        return info("/usr/lib/wsl/lib lacks libcuda.so: what asks for that name needs LD_LIBRARY_PATH=/usr/lib/wsl/lib")
    return ok("the driver of Windows is shared: " + ", ".join(facts.wsl_libraries))


CHECK = Check(
    id="wsl-driver",
    area="wsl",
    why="In WSL the driver is that of Windows; a driver inside of Linux breaks it.",
    run=run,
    applies=applies,
    cases=("wsl-libcuda-ldconfig", "wsl-tcc"),
    examples=(
        Case(
            facts=Facts(machine=Machine(os="linux", wsl=2), wsl_libraries=("libcuda.so", "libcuda.so.1")),
            expect=Status.OK,
        ),
        Case(facts=Facts(machine=Machine(os="linux", wsl=1)), expect=Status.ERROR),
        Case(
            facts=Facts(
                machine=Machine(os="linux", wsl=2, faults=(Fault(id="nvidia-wsl-blocked", cause="GPU access blocked"),))
            ),
            expect=Status.ERROR,
        ),
        Case(facts=Facts(machine=Machine(os="linux", wsl=2)), expect=Status.INFO),
    ),
)
