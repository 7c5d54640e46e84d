"""The driver's own tools answer: it is installed, loaded, and all of one version."""

from __future__ import annotations

from dreamboot.doctor.check import Case, Check, Outcome, error, info, manual, ok
from dreamboot.doctor.facts.values import Facts, Torch
from dreamboot.model import Driver, Fault, Gpu, Machine, Status, Vendor

HINTS = {
    "nvidia-driver-not-installed": ("https://www.nvidia.com/drivers", "install the driver for this GPU"),
    "nvidia-driver-not-running": (
        "sudo modprobe nvidia && nvidia-smi",
        "loads the module; if it fails: headers and DKMS for the running kernel, then reboot",
    ),
    "nvidia-driver-library-mismatch": ("sudo reboot", "loads the module that belongs to the installed libraries"),
    "nvidia-libnvml-missing": (
        "sudo apt-get install --reinstall nvidia-utils-580",
        "brings back libnvidia-ml (take your driver's branch)",
    ),
    "nvidia-gpu-lost": ("sudo reboot", "brings the card back; if it returns, check power and temperature"),
    "intel-driver-not-running": ("sudo modprobe xe", "loads Intel's driver"),
    "intel-compute-runtime-missing": ("sudo apt-get install intel-opencl-icd libze1", "Intel's compute runtime"),
}
UNSURE = ("nvidia-smi-missing",)


def run(facts: Facts) -> Outcome:
    """The first fault that a probe of the driver saw."""
    for fault in facts.machine.faults:
        if fault.id in HINTS:
            return error(
                "The GPU's driver does not work.",
                fault.cause,
                manual(*HINTS[fault.id]),
                evidence=fault.evidence or fault.cause,
            )
    for fault in facts.machine.faults:
        if fault.id in UNSURE:
            return info(fault.cause)
    return ok(
        ", ".join(f"{driver.vendor.value} driver {driver.version}" for driver in facts.machine.drivers)
        or "no GPU, no driver needed"
    )


CHECK = Check(
    id="driver-answers",
    area="driver",
    why="Without an answering driver no build of torch can use the GPU, whatever is installed.",
    run=run,
    cases=("drv-nvml-mismatch-patched-module", "drv-smi-no-comm-kernel", "drv-smi-query-field-missing"),
    examples=(
        Case(facts=Facts(), expect=Status.OK),
        Case(
            facts=Facts(machine=Machine(os="linux", drivers=(Driver(vendor=Vendor.NVIDIA, version="580.65"),))),
            expect=Status.OK,
        ),
        Case(
            facts=Facts(
                machine=Machine(
                    os="linux", faults=(Fault(id="nvidia-driver-library-mismatch", cause="550.1 and 550.2"),)
                )
            ),
            expect=Status.ERROR,
        ),
        Case(
            facts=Facts(
                torch=Torch(version="2.6.0"), machine=Machine(os="linux", gpus=(Gpu(vendor=Vendor.NVIDIA, name="T4"),))
            ),
            expect=Status.OK,
        ),
    ),
)
