"""The driver shows GPUs to this session."""

# ruff: noqa: E501 - sentences and commands are kept whole

from __future__ import annotations

from dreamboot.doctor.check import Case, Check, Outcome, manual, ok, warning
from dreamboot.doctor.facts.values import Facts
from dreamboot.model import Fault, Gpu, Machine, Status, Vendor


def run(facts: Facts) -> Outcome:
    """No devices although the driver answers, or all hidden by a variable."""
    hidden = facts.environ.get("CUDA_VISIBLE_DEVICES")
    if hidden in ("-1", "none", "NoDevFiles") and facts.machine.gpus:
        return warning(
            "CUDA_VISIBLE_DEVICES hides every GPU.",
            f"It is {hidden!r}; this machine has {len(facts.machine.gpus)}.",
            manual("unset CUDA_VISIBLE_DEVICES", "programs see the GPUs again"),
        )
    for fault in facts.machine.faults:
        if fault.id in ("nvidia-no-devices", "nvidia-mig-without-devices"):
            job = "This is no job with a GPU: " if "SLURM_JOB_ID" in facts.environ else ""
            return warning(
                "The driver shows no GPU to this session.",
                job + fault.cause,
                manual(
                    "nvidia-smi -L",
                    "nothing: lists the GPUs; on a cluster ask for one (--gres=gpu:1), on Windows enable it in the Device Manager",
                ),
            )
    return ok(", ".join(gpu.name for gpu in facts.machine.gpus) or "no GPU")


CHECK = Check(
    id="driver-shows-gpus",
    area="driver",
    why="A driver without devices looks like no GPU at all, and installers then take the CPU build of torch.",
    run=run,
    requires=("driver-answers",),
    cases=("drv-disabled-device-manager", "cpu-probe-no-devices"),
    examples=(
        Case(facts=Facts(), expect=Status.OK),
        Case(
            facts=Facts(
                machine=Machine(os="linux", faults=(Fault(id="nvidia-no-devices", cause="No devices were found"),))
            ),
            expect=Status.WARNING,
        ),
        Case(
            facts=Facts(
                environ={"CUDA_VISIBLE_DEVICES": "-1"},
                machine=Machine(os="linux", gpus=(Gpu(vendor=Vendor.NVIDIA, name="T4"),)),
            ),
            expect=Status.WARNING,
        ),
    ),
)
