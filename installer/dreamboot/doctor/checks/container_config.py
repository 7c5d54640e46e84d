"""Docker's configuration and the CDI specifications are whole."""

# ruff: noqa: E501 - sentences and commands are kept whole

from __future__ import annotations

from dreamboot.doctor.check import Case, Check, Outcome, error, manual, ok
from dreamboot.doctor.facts.values import Container, Facts
from dreamboot.model import Status


def run(facts: Facts) -> Outcome:
    """daemon.json must be JSON, its runtimes must exist, CDI must name existing files."""
    container = facts.container
    if container.daemon_fault:
        return error(
            "Docker's configuration can't be read.",
            f"/etc/docker/daemon.json: {container.daemon_fault}.",
            manual("sudo nano /etc/docker/daemon.json && sudo systemctl restart docker", "correct the file"),
        )
    if container.missing_runtimes:
        name = container.missing_runtimes[0]
        return error(
            "Docker is told of a runtime that is not installed.",
            f"daemon.json names {name} at {container.runtimes.get(name, '?')}, which does not exist.",
            manual("sudo apt-get install -y nvidia-container-toolkit && sudo systemctl restart docker", "installs it"),
        )
    if container.cdi_faults:
        return error(
            "A CDI specification is out of date.",
            container.cdi_faults[0] + ".",
            manual(
                "sudo nvidia-ctk cdi generate --output=/etc/cdi/nvidia.yaml",
                "writes it anew for the driver that is installed now",
            ),
        )
    return ok("nothing wrong in daemon.json and CDI")


CHECK = Check(
    id="container-config",
    area="container-runtime",
    why="One wrong character in daemon.json, and no container starts; an old CDI file names libraries of the last driver.",
    run=run,
    examples=(
        Case(facts=Facts(), expect=Status.OK),
        Case(facts=Facts(container=Container(daemon_fault="not valid JSON")), expect=Status.ERROR),
        Case(
            facts=Facts(
                container=Container(missing_runtimes=("nvidia",), runtimes={"nvidia": "nvidia-container-runtime"})
            ),
            expect=Status.ERROR,
        ),
        Case(
            facts=Facts(
                container=Container(cdi_faults=("/etc/cdi/nvidia.json: /usr/lib/libcuda.so.550 does not exist",))
            ),
            expect=Status.ERROR,
        ),
    ),
)
