"""The NVIDIA driver reaches the minimum of the build's CUDA major version."""

from __future__ import annotations

from typing import Optional

from dreamboot.catalog.versions import at_least, cuda_of, numbers
from dreamboot.model import Driver
from dreamboot.planning.question import Candidate, Objection, Question
from dreamboot.planning.rules import Rule, Way


def needed(candidate: Candidate, question: Question) -> str:
    """The oldest driver that runs this build here; "" where the catalog knows none.

    Inside WSL the driver is Windows' own, with Windows' numbers.
    """
    windows = question.machine.os == "windows" or question.machine.wsl > 0
    return question.catalog.cuda_minimum(cuda_of(candidate.tag), windows=windows)


def check(candidate: Candidate, question: Question) -> Optional[Objection]:
    """Minor-version compatibility: the minimum of the major version is enough, not the toolkit's own driver."""
    target = question.target
    if target.device != "cuda" or target.driver is None or not candidate.tag.startswith("cu"):
        return None
    need = needed(candidate, question)
    if not need or _reaches(target.driver, need, candidate) or _forward_compatible(candidate, question):
        return None
    remedy = f"update the NVIDIA driver to {need} or newer"
    if _data_center(question) and _has_compat(question, candidate):
        cuda = cuda_of(candidate.tag)
        remedy += f" (or install NVIDIA's cuda-compat-{cuda.replace('.', '-')}: data-centre GPUs on Linux may)"
    return Objection(
        reason=f"CUDA {cuda_of(candidate.tag)} needs driver {need}, this machine has "
        + (target.driver.version or f"one for CUDA {target.driver.cuda_version}"),
        remedy=remedy,
    )


def _reaches(driver: Driver, need: str, candidate: Candidate) -> bool:
    """By the driver's number; where only its CUDA version is known, by the major version of that."""
    if driver.version or not driver.cuda_version:
        return at_least(driver.version, need) or not driver.version
    return numbers(driver.cuda_version)[:1] >= numbers(cuda_of(candidate.tag))[:1]


def _forward_compatible(candidate: Candidate, question: Question) -> bool:
    """NVIDIA's compatibility package is active: the driver library reports a CUDA above the kernel driver's own.

    It exists for data-centre GPUs on Linux only; elsewhere CUDA stops with error 804.
    """
    driver = question.target.driver
    return (
        driver is not None
        and bool(driver.cuda_version)
        and _data_center(question)
        and at_least(driver.cuda_version, cuda_of(candidate.tag))
    )


def _has_compat(question: Question, candidate: Candidate) -> bool:
    """The package bridges one major version: https://docs.nvidia.com/deploy/cuda-compatibility/forward-compatibility.html"""
    driver, major = question.target.driver, numbers(cuda_of(candidate.tag))[0]
    before = question.catalog.cuda_minimum(f"{major - 1}.0", windows=False)
    return bool(driver and driver.version and before) and at_least(driver.version if driver else "", before)


def _data_center(question: Question) -> bool:
    machine = question.machine
    return machine.os == "linux" and not machine.wsl and all(card.data_center for card in question.target.cards)


RULE = Rule(
    id="driver",
    order=30,
    way=Way.DRIVER,
    why="A CUDA program needs a driver of its major version: https://docs.nvidia.com/deploy/cuda-compatibility/",
    check=check,
)
