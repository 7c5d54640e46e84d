"""The container engine can give containers this machine's GPU."""

# ruff: noqa: E501 - sentences and commands are kept whole

from __future__ import annotations

from typing import Tuple

from dreamboot.doctor.check import Case, Check, Outcome, manual, ok, warning
from dreamboot.doctor.facts.values import Container, Facts
from dreamboot.model import ContainerEngine, Gpu, Machine, Status, Vendor

TOOLKIT = manual(
    "sudo apt-get install -y nvidia-container-toolkit && sudo nvidia-ctk runtime configure --runtime=docker && sudo systemctl restart docker",
    "installs NVIDIA's toolkit and tells Docker of it",
)


def applies(facts: Facts) -> bool:
    """An engine and an NVIDIA GPU, outside of a container."""
    return (
        bool(facts.machine.engines)
        and not facts.machine.container
        and any(gpu.vendor is Vendor.NVIDIA for gpu in facts.machine.gpus)
    )


def run(facts: Facts) -> Outcome:
    """snap's Docker can't; others need the toolkit or CDI."""
    if facts.container.program.startswith("/snap/") or "/snap/" in facts.container.program:
        return warning(
            "Docker comes from snap, which can't use GPUs.",
            f"{facts.container.program} is shut off from the toolkit.",
            manual("sudo snap remove docker && sudo apt-get install docker-ce", "Docker from its own packages"),
        )
    engine = facts.machine.engines[0]
    if not any(one.gpu_access for one in facts.machine.engines):
        return warning(
            f"{engine.name} can't give containers the GPU.",
            "Neither NVIDIA's toolkit nor a CDI specification was found.",
            TOOLKIT,
        )
    return ok(f"{engine.name}: {', '.join(engine.gpu_access)}")


def _facts(access: Tuple[str, ...], program: str = "/usr/bin/docker") -> Facts:
    machine = Machine(
        os="linux",
        engines=(ContainerEngine(name="docker", gpu_access=access),),
        gpus=(Gpu(vendor=Vendor.NVIDIA, name="T4"),),
    )
    return Facts(machine=machine, container=Container(program=program))


CHECK = Check(
    id="container-gpu",
    area="container-runtime",
    why="`docker run --gpus all` fails with 'could not select device driver'.",
    run=run,
    applies=applies,
    cases=("dk-device-driver", "dk-device-driver-compose", "dk-snap", "drv-none-docker"),
    examples=(
        Case(facts=_facts(("toolkit",)), expect=Status.OK),
        Case(facts=_facts(()), expect=Status.WARNING),
        Case(facts=_facts(("toolkit",), "/snap/bin/docker"), expect=Status.WARNING),
    ),
)
