"""The NVIDIA driver is new enough for the CUDA version of torch."""

from __future__ import annotations

from dreamboot import catalog
from dreamboot.catalog.versions import at_least, cuda_of
from dreamboot.doctor.check import Case, Check, Outcome, error, manual, ok, torch_steps
from dreamboot.doctor.facts.values import Facts, Torch
from dreamboot.model import Driver, Machine, Status, Vendor


def _driver(facts: Facts) -> str:
    return next((driver.version for driver in facts.machine.drivers if driver.vendor is Vendor.NVIDIA), "")


def applies(facts: Facts) -> bool:
    """A CUDA build, and a driver to compare with."""
    return facts.torch is not None and facts.torch.tag.startswith("cu") and bool(_driver(facts))


def run(facts: Facts) -> Outcome:
    """The minimum of the CUDA major version is enough (minor-version compatibility), as in planning."""
    have, tag = _driver(facts), facts.torch.tag if facts.torch else ""
    windows = facts.machine.os == "windows" or facts.machine.wsl > 0
    need = catalog.load().cuda_minimum(cuda_of(tag), windows=windows)
    if not need or at_least(have, need):
        return ok(f"driver {have} reaches CUDA {cuda_of(tag)} (needs {need or 'unknown'})")
    return error(
        "The NVIDIA driver is older than this build of torch needs.",
        f"Expected driver {need} or later for {tag}, found {have}.",
        manual("https://www.nvidia.com/drivers", f"update the driver to {need} or later"),
        *torch_steps(facts, "auto"),
        link="https://docs.nvidia.com/deploy/cuda-compatibility/",
    )


def _facts(version: str, driver: str, os: str = "linux") -> Facts:
    machine = Machine(os=os, drivers=(Driver(vendor=Vendor.NVIDIA, version=driver),))
    return Facts(machine=machine, torch=Torch(version=version, tag=version.partition("+")[2]))


CHECK = Check(
    id="driver-reaches-cuda",
    area="driver",
    why="A CUDA program needs a driver of its major version; an older one makes torch see no GPU at all.",
    run=run,
    applies=applies,
    requires=("driver-answers", "torch-found"),
    cases=("drv-too-old-after-image-update", "drv-too-old-windows-quadro"),
    examples=(
        Case(facts=_facts("2.11.0+cu126", "580.65.06"), expect=Status.OK),
        Case(facts=_facts("2.11.0+cu126", "525.60.13"), expect=Status.OK),
        Case(facts=_facts("2.11.0+cu130", "550.54.14"), expect=Status.ERROR),
        Case(facts=_facts("2.1.0+cu121", "441.66", "windows"), expect=Status.ERROR),
    ),
)
