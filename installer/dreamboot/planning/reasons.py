"""Why the main decisions of a plan are what they are, and what a person should know before building it."""

from __future__ import annotations

from typing import List, Tuple

from dreamboot.model import Choice, SourceKind
from dreamboot.planning.companions import Chosen
from dreamboot.planning.cost import torch_size
from dreamboot.planning.rules.compute_capability import runs_code
from dreamboot.planning.rules.driver import needed


def main_reasons(chosen: Chosen) -> Tuple[Choice, ...]:
    """Device, torch, source, Python and packages."""
    candidate, question = chosen.candidate, chosen.question
    return (
        Choice(topic="device", value=question.target.device, reason=question.target.reason),
        Choice(topic="torch", value=f"{candidate.version}+{candidate.tag}", reason=_why_build(chosen)),
        Choice(topic="source", value=candidate.kind.value, reason=_why_source(chosen)),
        Choice(topic="python", value=chosen.interpreter.minor, reason=_why_python(chosen)),
        Choice(topic="packages", value=chosen.stack.name, reason="; ".join(_stack_sources(chosen))),
    )


def _stack_sources(chosen: Chosen) -> List[str]:
    known = chosen.question.catalog.sources("stacks")
    return [known.get(name, name) for name in chosen.stack.source]


def _why_build(chosen: Chosen) -> str:
    candidate, target = chosen.candidate, chosen.question.target
    newest = "the newest release that works here"
    pin = chosen.question.pins.get("torch")
    if pin is not None:
        newest = f"asked for with --pin {pin}"
    elif chosen.question.constraints.get("torch"):
        asked = ", ".join(str(requirement) for requirement in chosen.question.constraints["torch"])
        newest += f" within pip's constraint {asked}"
    if target.device == "cuda":
        code = ", ".join(sorted({card.compute_capability for card in target.cards}))
        need = needed(candidate, chosen.question)
        have = (target.driver.version if target.driver else "") or "not stated"
        return f"{newest}: it has code for compute capability {code}, and driver {have} reaches {need}"
    if target.device == "rocm":
        return f"{newest}: it has code for {', '.join(sorted({card.gfx for card in target.cards}))}"
    if target.device == "cpu" and candidate.tag.startswith("cu"):
        return f"{newest}; no source that answers has a CPU build, and a CUDA build also computes on a CPU"
    return newest


def _why_source(chosen: Chosen) -> str:
    candidate = chosen.candidate
    where = candidate.url or {
        SourceKind.DEFAULT_INDEX: "the default package index",
    }.get(candidate.kind, candidate.kind.value)
    unreachable = [
        f"{source.kind.value}: {source.reason or 'not reachable'}"
        for source in chosen.question.machine.sources
        if source.reachable is False
    ]
    return where + (f" ({'; '.join(unreachable)})" if unreachable else "")


def _why_python(chosen: Chosen) -> str:
    item = chosen.interpreter
    if item.path:
        return f"{item.path} ({item.version}): best known of the Pythons here that the build has a wheel for"
    here = ", ".join(
        f"{other.version} ({other.fault or 'no wheel'})" for other in chosen.question.interpreters if other.path
    )
    return f"uv downloads it: no Python here fits ({here or 'none was found'})"


def warnings(chosen: Chosen) -> List[str]:
    """What works, but not as one might expect."""
    candidate, target = chosen.candidate, chosen.question.target
    found = []
    if target.device == "cpu" and candidate.tag.startswith("cu"):
        size = torch_size(chosen)
        big = f" of about {round(size.download_mib / 1024)} GB" if size else ""
        found.append(
            "The CPU build of torch can't be reached, so the CUDA build of the default index is used: it works on a "
            f"CPU, but is a download{big}. A CPU wheel in a find-links folder or a mirror (--torch-index) avoids it."
        )
    if target.device == "cuda" and candidate.kind is SourceKind.PYTORCH_INDEX and candidate.unverified:
        found.append(
            f"That the PyTorch index holds {candidate.version}+{candidate.tag} is inferred from its release notes; if "
            "it is not found, pin the release before it."
        )
    by_ptx = [card for card in target.cards if candidate.code and not runs_code(candidate, card.compute_capability)]
    if target.device == "cuda" and by_ptx:
        found.append(
            f"{by_ptx[0].gpu.name} is newer than every build: the driver compiles the kernels on first use, which "
            "takes minutes once."
        )
    if chosen.question.machine.os == "windows" and len(target.cards) > 1:
        found.append("On Windows torch has no NCCL: training uses the first of the GPUs.")
    if chosen.interpreter.kind == "conda":
        found.append("The Python belongs to conda: removing that conda installation breaks the environment.")
    return found
