"""The hub's cache can be written."""

from __future__ import annotations

from dreamboot.doctor.check import Case, Check, Outcome, error, manual, ok
from dreamboot.doctor.facts.values import Facts, Hub
from dreamboot.model import Disk, FixStep, Machine, Status


def step(facts: Facts, path: str) -> FixStep:
    """How a folder becomes writable; a container has neither sudo nor the right, so its host does it."""
    if facts.machine.container:
        return manual(
            f"docker run --rm --user 0 --entrypoint chown -v VOLUME:{path} IMAGE -R UID:GID {path}",
            "on the host, with the --user of your container as UID:GID; or mount a volume of its own (-v NAME:/data)",
        )
    return manual(f"sudo chown -R $(id -u):$(id -g) {path}", "gives the folder to your user")


def run(facts: Facts) -> Outcome:
    """HF_HOME, and the folders that a build uses."""
    if not facts.hub.writable:
        return error(
            "The hub's cache can't be written.",
            f"{facts.hub.home} belongs to another user, or is read-only.",
            step(facts, facts.hub.home),
        )
    for disk in facts.machine.disks:
        if not disk.writable:
            return error(
                f"The folder for {disk.purpose} can't be written.",
                f"{disk.path} belongs to another user, or is read-only.",
                step(facts, disk.path),
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
