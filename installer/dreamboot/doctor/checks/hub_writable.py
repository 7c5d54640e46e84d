"""The hub's cache can be written."""

from __future__ import annotations

from dreamboot.doctor.check import Case, Check, Outcome, error, manual, ok
from dreamboot.doctor.facts.values import Facts, Hub
from dreamboot.model import Disk, Machine, Status


def run(facts: Facts) -> Outcome:
    """HF_HOME, and the folders that a build uses."""
    if not facts.hub.writable:
        return error(
            "The hub's cache can't be written.",
            f"{facts.hub.home} belongs to another user, or is read-only.",
            manual(f"sudo chown -R $(id -u):$(id -g) {facts.hub.home}", "gives the folder to your user"),
        )
    for disk in facts.machine.disks:
        if not disk.writable:
            return error(
                f"The folder for {disk.purpose} can't be written.",
                f"{disk.path} belongs to another user, or is read-only.",
                manual(f"sudo chown -R $(id -u):$(id -g) {disk.path}", "gives the folder to your user"),
            )
    return ok("caches can be written")


CHECK = Check(
    id="hub-writable",
    area="permissions",
    why="Containers often run as a user that the mounted cache does not belong to.",
    run=run,
    cases=("perm-docker-cache",),
    examples=(
        Case(facts=Facts(), expect=Status.OK),
        Case(facts=Facts(hub=Hub(home="/h", writable=False)), expect=Status.ERROR),
        Case(
            facts=Facts(
                machine=Machine(
                    os="linux", disks=(Disk(purpose="cache", path="/c", free_mib=9000, total_mib=9000, writable=False),)
                )
            ),
            expect=Status.ERROR,
        ),
    ),
)
