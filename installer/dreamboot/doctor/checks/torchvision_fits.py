"""torchvision belongs to this torch."""

from __future__ import annotations

from dreamboot.doctor.check import Case, Check, Outcome
from dreamboot.doctor.companions import judge
from dreamboot.doctor.facts.values import Extension, Facts, Torch
from dreamboot.model import Status


def applies(facts: Facts) -> bool:
    """Both are there."""
    return facts.torch is not None and facts.extension("torchvision") is not None


def run(facts: Facts) -> Outcome:
    """Its exact pin, and the CUDA version that it was compiled with."""
    return judge(facts, "torchvision")


def _facts(torch: str, wants: str, cuda: str = "") -> Facts:
    found = Torch(
        version=torch,
        tag=torch.partition("+")[2],
        cuda={"cu121": "12.1", "cu118": "11.8"}.get(torch.partition("+")[2], ""),
    )
    return Facts(torch=found, extensions=(Extension(name="torchvision", version="0.17.2", torch=wants, cuda=cuda),))


CHECK = Check(
    id="torchvision-fits",
    area="cuda-wheel-mismatch",
    why="Each torchvision is compiled for one torch: 'operator torchvision::nms does not exist' is the usual end.",
    run=run,
    applies=applies,
    requires=("torch-found",),
    cases=("cwm-torchvision-cpp-ops",),
    examples=(
        Case(facts=_facts("2.2.2+cu121", "2.2.2", "12.1"), expect=Status.OK),
        Case(facts=_facts("2.3.1+cu121", "2.2.2", "12.1"), expect=Status.ERROR),
        Case(facts=_facts("2.2.2+cu118", "2.2.2", "12.1"), expect=Status.ERROR),
    ),
)
