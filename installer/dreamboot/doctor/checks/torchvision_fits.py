"""torchvision belongs to this torch."""

from __future__ import annotations

from dreamboot.doctor.check import Case, Check, Outcome, error, install, manual, ok
from dreamboot.doctor.facts.values import Extension, Facts, Torch
from dreamboot.doctor.versions import within
from dreamboot.model import FixStep, Status


def applies(facts: Facts) -> bool:
    """Both are there."""
    return facts.torch is not None and facts.extension("torchvision") is not None


def run(facts: Facts) -> Outcome:
    """Its exact pin, and the CUDA version that it was compiled with."""
    vision, torch = facts.extension("torchvision"), facts.torch
    assert vision is not None  # noqa: S101 - applies() saw both
    assert torch is not None  # noqa: S101
    if vision.torch and not within(torch.version, f"=={vision.torch}"):
        return error(
            "torchvision was built for another torch.",
            f"torchvision {vision.version} is for torch {vision.torch}, found {torch.version}.",
            _step(facts, torch.release),
        )
    if vision.cuda and torch.cuda and vision.cuda.split(".")[0] != torch.cuda.split(".")[0]:
        return error(
            "torch and torchvision are for different CUDA versions.",
            f"torch {torch.cuda}, torchvision {vision.cuda}.",
            _step(facts, torch.release),
        )
    if vision.cuda and torch.tag == "cpu":
        return error(
            "torchvision is for CUDA, torch is the CPU build.",
            f"torch {torch.version}, torchvision for CUDA {vision.cuda}.",
            _step(facts, torch.release),
        )
    return ok(f"torchvision {vision.version} with torch {torch.version}")


def _step(facts: Facts, release: str) -> FixStep:
    from dreamboot import catalog

    row = catalog.load().release(release)
    if row is not None and row.torchvision and (facts.torch is None or facts.torch.tag == "cpu" or not facts.torch.tag):
        return install(facts, f"torchvision=={row.torchvision}", f"torch=={release}")
    wanted = f"torchvision=={row.torchvision}" if row is not None and row.torchvision else "torchvision"
    backend = facts.torch.tag if facts.torch else "auto"
    return manual(
        f"uv pip install --python {facts.target.python or 'python'} --reinstall {wanted} --torch-backend {backend}",
        "the torchvision that belongs to this torch",
    )


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
