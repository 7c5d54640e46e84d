"""xformers was built for this torch."""

from __future__ import annotations

from dreamboot.doctor.check import Case, Check, Outcome, error, ok, uninstall
from dreamboot.doctor.facts.values import Extension, Facts, Torch
from dreamboot.doctor.versions import within
from dreamboot.model import Status


def applies(facts: Facts) -> bool:
    """Both are there, and xformers says what it was built for."""
    extension = facts.extension("xformers")
    return facts.torch is not None and extension is not None and bool(extension.torch)


def run(facts: Facts) -> Outcome:
    """Release and CUDA tag must be equal."""
    xformers, torch = facts.extension("xformers"), facts.torch
    assert xformers is not None  # noqa: S101 - applies() saw both
    assert torch is not None  # noqa: S101
    built, _, tag = xformers.torch.partition("+")
    step = uninstall(facts, "xformers", why="training uses torch's own attention (SDPA), which is as fast")
    link = "https://github.com/facebookresearch/xformers#installing-xformers"
    if tag.startswith("cu") and torch.tag == "cpu":
        return error(
            "xformers is for CUDA, but torch is the CPU build.",
            f"Expected torch {xformers.torch}, found {torch.version}.",
            step,
            link=link,
        )
    if not within(torch.version, f"=={built}"):
        return error(
            "xformers was built for another torch.",
            f"Expected torch {xformers.torch}, found {torch.version}.",
            step,
            link=link,
        )
    if tag and torch.tag and tag != torch.tag:
        return error(
            "xformers was built for another CUDA version.", f"Expected {tag}, found {torch.tag}.", step, link=link
        )
    return ok(f"xformers {xformers.version} for torch {xformers.torch}")


def _facts(built: str, have: str) -> Facts:
    return Facts(
        torch=Torch(version=have, tag=have.partition("+")[2]),
        extensions=(Extension(name="xformers", version="0.0.26", torch=built),),
    )


CHECK = Check(
    id="xformers-fits",
    area="attention",
    why="Its compiled part is not loaded otherwise, and memory-efficient attention has 'no operator'.",
    run=run,
    applies=applies,
    requires=("torch-found",),
    cases=("xf-built-for-other-torch", "xf-cu118-vs-cu121", "xf-no-operator", "cpu-xformers-pulled-cpu-torch"),
    examples=(
        Case(facts=_facts("2.4.0+cu121", "2.4.0+cu121"), expect=Status.OK),
        Case(facts=_facts("2.4.0+cu121", "2.3.1+cu121"), expect=Status.ERROR),
        Case(facts=_facts("2.1.0+cu121", "2.1.0+cu118"), expect=Status.ERROR),
        Case(facts=_facts("2.0.1+cu118", "2.0.1+cpu"), expect=Status.ERROR),
    ),
)
