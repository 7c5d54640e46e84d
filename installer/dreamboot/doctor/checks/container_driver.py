"""A container was given its GPU, and still has it."""

from __future__ import annotations

from dreamboot.doctor.check import Case, Check, Outcome, error, manual, ok, warning
from dreamboot.doctor.facts.values import Facts, Torch
from dreamboot.model import Fault, Machine, Status


def applies(facts: Facts) -> bool:
    """Inside of a container."""
    return bool(facts.machine.container)


def run(facts: Facts) -> Outcome:
    """A lost GPU, or a container that was started without one."""
    for fault in facts.machine.faults:
        if fault.id == "nvidia-container-lost-gpu":
            return error(
                "The container lost its GPU.", fault.cause, manual("docker restart CONTAINER", "gives the GPU back")
            )
        if fault.id == "nvidia-libnvml-missing":
            return error(
                "The container has no driver libraries.",
                fault.cause,
                manual("docker run --gpus all IMAGE", "starts it with the host's GPUs"),
            )
    if (
        facts.torch is not None
        and facts.torch.tag.startswith("cu")
        and not facts.machine.gpus
        and facts.environ.get("NVIDIA_VISIBLE_DEVICES")
    ):
        return warning(
            "This container was started without GPUs.",
            "torch is a CUDA build, and no GPU is visible.",
            manual("docker run --gpus all IMAGE", "starts it with the host's GPUs"),
        )
    return ok(f"in a container ({facts.machine.container})")


CHECK = Check(
    id="container-driver",
    area="container-runtime",
    why="Inside of a container the host's driver counts, and only what was handed in.",
    run=run,
    applies=applies,
    cases=("dk-libnvml-missing", "dk-driver-not-loaded", "cpu-docker-build-check"),
    examples=(
        Case(
            facts=Facts(machine=Machine(os="linux", container="docker"), torch=Torch(version="2.11.0+cpu", tag="cpu")),
            expect=Status.OK,
        ),
        Case(
            facts=Facts(
                machine=Machine(
                    os="linux",
                    container="docker",
                    faults=(Fault(id="nvidia-container-lost-gpu", cause="NVML: Unknown Error"),),
                )
            ),
            expect=Status.ERROR,
        ),
    ),
)
