"""There is room for models, checkpoints and temporary files."""

from __future__ import annotations

from dreamboot.doctor.check import Case, Check, Outcome, error, manual, ok, warning
from dreamboot.doctor.facts.values import Facts, Hub
from dreamboot.model import Disk, Machine, Status

LEAST, LITTLE = 1024, 8 * 1024


def run(facts: Facts) -> Outcome:
    """The disks of the home folder, caches, temporary files and the hub."""
    places = [(disk.purpose, disk.path, disk.free_mib) for disk in facts.machine.disks]
    if facts.hub.free_mib is not None and facts.hub.home:
        places.append(("models", facts.hub.home, facts.hub.free_mib))
    if not places:
        return ok("no disk was asked")
    purpose, path, free = min(places, key=lambda place: place[2])
    move = (
        "export HF_HOME=/PATH/ON/A/LARGE/DISK/huggingface"
        if purpose in ("models", "cache")
        else f"export TMPDIR=/PATH/ON/A/LARGE/DISK  (or free {path})"
    )
    if free < LEAST:
        return error(
            "A disk is full.",
            f"{path} ({purpose}) has {free} MiB left; a model needs 5 to 25 GiB, a checkpoint 2 to 7.",
            manual(move, "writes to another disk"),
        )
    if free < LITTLE:
        return warning(
            "A disk is nearly full.",
            f"{path} ({purpose}) has {free} MiB left; a model needs 5 to 25 GiB.",
            manual(move, "writes to another disk"),
        )
    return ok(f"at least {free // 1024} GiB free everywhere")


def _facts(free: int, hub: int = 90_000) -> Facts:
    return Facts(
        machine=Machine(os="linux", disks=(Disk(purpose="home", path="/home", free_mib=free, total_mib=100_000),)),
        hub=Hub(home="/h", free_mib=hub),
    )


CHECK = Check(
    id="disk-room",
    area="disk-memory",
    why="A full disk ends a training in the moment when the checkpoint is written.",
    run=run,
    cases=("disk-hf-home",),
    examples=(
        Case(facts=_facts(90_000), expect=Status.OK),
        Case(facts=_facts(5_000), expect=Status.WARNING),
        Case(facts=_facts(90_000, 200), expect=Status.ERROR),
    ),
)
