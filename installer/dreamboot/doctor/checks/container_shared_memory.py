"""Shared memory suffices for the data loader's workers."""

# ruff: noqa: S108 - sentences and commands are kept whole; /dev/shm is what is judged

from __future__ import annotations

from dreamboot.doctor.check import Case, Check, Outcome, manual, ok, warning
from dreamboot.doctor.facts.values import Facts
from dreamboot.model import Machine, Status

LITTLE, ENOUGH = 128, 1024


def applies(facts: Facts) -> bool:
    """Linux tells the size of /dev/shm."""
    return facts.machine.shared_memory_mib is not None


def run(facts: Facts) -> Outcome:
    """Docker gives 64 MB unless told otherwise. Our trainer's loader uses threads, so that this alone fails nothing."""
    have = facts.machine.shared_memory_mib or 0
    step = manual(
        "docker run --shm-size=8g ..." if facts.machine.container else "sudo mount -o remount,size=8G /dev/shm",
        "more shared memory; for other trainers also num_workers=0",
    )
    if have < LITTLE:
        return warning(
            "Shared memory is too small for worker processes and for several GPUs.",
            f"/dev/shm holds {have} MiB; NCCL and other trainers' loaders use it, our threads do not.",
            step,
        )
    if have < ENOUGH:
        return warning("Shared memory is small.", f"/dev/shm holds {have} MiB; large batches need more.", step)
    return ok(f"/dev/shm holds {have} MiB")


CHECK = Check(
    id="container-shared-memory",
    area="container-runtime",
    why="The workers die with a bus error, or 'unable to allocate shared memory'.",
    run=run,
    applies=applies,
    cases=("dk-shm",),
    examples=(
        Case(facts=Facts(machine=Machine(os="linux", shared_memory_mib=64)), expect=Status.WARNING),
        Case(facts=Facts(machine=Machine(os="linux", shared_memory_mib=512)), expect=Status.WARNING),
        Case(facts=Facts(machine=Machine(os="linux", shared_memory_mib=8000)), expect=Status.OK),
    ),
)
