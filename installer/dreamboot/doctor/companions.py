"""torchvision and torchaudio: each release is compiled for one torch, and comes from the same source as it."""

from __future__ import annotations

from typing import Optional, Tuple

from dreamboot.doctor.check import Outcome, companion_steps, error, install, manual, ok
from dreamboot.doctor.facts.values import Facts
from dreamboot.doctor.versions import within
from dreamboot.model import FixStep

NAMES = ("torchvision", "torchaudio")


def release_for(facts: Facts, name: str) -> str:
    """The release that belongs to the installed torch; "" when the catalog does not know that torch."""
    from dreamboot import catalog

    row = catalog.load().release(facts.torch.release) if facts.torch is not None else None
    if row is None:
        return ""
    return row.torchvision if name == "torchvision" else row.torchaudio


def mismatch(facts: Facts, name: str) -> Optional[Tuple[str, str]]:
    """(what, cause) where the installed companion was built for another torch or CUDA; None where it fits."""
    companion, torch = facts.extension(name), facts.torch
    if companion is None or torch is None:
        return None
    if companion.torch and not within(torch.version, f"=={companion.torch}"):
        return (
            f"{name} was built for another torch.",
            f"{name} {companion.version} is for torch {companion.torch}, found {torch.version}.",
        )
    if companion.cuda and torch.cuda and companion.cuda.split(".")[0] != torch.cuda.split(".")[0]:
        return (
            f"torch and {name} are for different CUDA versions.",
            f"torch {torch.cuda}, {name} {companion.cuda}.",
        )
    if companion.cuda and torch.tag == "cpu":
        return (
            f"{name} is for CUDA, torch is the CPU build.",
            f"torch {torch.version}, {name} for CUDA {companion.cuda}.",
        )
    return None


def judge(facts: Facts, name: str) -> Outcome:
    """An error with the way out, or in order."""
    found = mismatch(facts, name)
    if found is not None:
        return error(*found, *_steps(facts, name))
    companion, torch = facts.extension(name), facts.torch
    return ok(f"{name} {companion.version if companion else ''} with torch {torch.version if torch else ''}")


def local_version(facts: Facts) -> str:
    """ "+cpu", "+cu126" ... where torch is one of PyTorch's own builds: its companions have the same; else ""."""
    _, mark, tag = facts.version("torch").partition("+")
    return mark + tag


def _steps(facts: Facts, name: str) -> Tuple[FixStep, ...]:
    """The package index has companions of its own torch; those of PyTorch's builds are looked for at torch's source."""
    wanted, local, torch = release_for(facts, name), local_version(facts), facts.torch
    if wanted and torch is not None and torch.tag in ("", "cpu") and not local:
        return (install(facts, f"{name}=={wanted}", f"torch=={torch.release}"),)
    python = facts.target.python or "python"
    without = manual(f"uv pip uninstall --python {python} {name}", f"or: training does not need {name}")
    return (*companion_steps(facts, f"{name}=={wanted}{local}" if wanted else name), without)
