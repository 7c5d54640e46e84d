"""This user may use the GPU."""

from __future__ import annotations

from dreamboot.doctor.check import Case, Check, Outcome, error, manual, ok
from dreamboot.doctor.facts.values import Facts
from dreamboot.model import Fault, Machine, Status


def run(facts: Facts) -> Outcome:
    """/dev/kfd for AMD, /dev/nvidia* for NVIDIA."""
    if facts.kfd_writable is False:
        return error(
            "Your user may not use the AMD GPU.",
            "/dev/kfd can't be opened: it belongs to the groups render and video.",
            manual("sudo usermod -aG render,video $USER", "adds you to the groups; log out and in again"),
        )
    for fault in facts.machine.faults:
        if fault.id == "nvidia-no-permission":
            return error(
                "Your user may not use the NVIDIA GPU.",
                fault.cause,
                manual("ls -l /dev/nvidia*; id", "nothing: shows who may"),
            )
    return ok("the GPU's devices can be opened")


CHECK = Check(
    id="device-rights",
    area="permissions",
    why="Without the right to its device the GPU is invisible.",
    run=run,
    cases=("perm-kfd",),
    examples=(
        Case(facts=Facts(), expect=Status.OK),
        Case(facts=Facts(kfd_writable=False), expect=Status.ERROR),
        Case(
            facts=Facts(
                machine=Machine(
                    os="linux", faults=(Fault(id="nvidia-no-permission", cause="Insufficient Permissions"),)
                )
            ),
            expect=Status.ERROR,
        ),
    ),
)
