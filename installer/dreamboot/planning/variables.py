"""Environment variables of a plan, each with its reason."""

from __future__ import annotations

import re
from typing import Dict, List, Tuple

from dreamboot.catalog.versions import at_least
from dreamboot.model import Choice
from dreamboot.planning.companions import Chosen
from dreamboot.planning.rules.gfx import override_of

# Accelerate and NCCL: GeForce cards of the 40 series have no peer-to-peer access.
_NO_PEER = re.compile(r"\brtx\s*40\d\d\b", re.IGNORECASE)


def variables(chosen: Chosen) -> Tuple[Dict[str, str], Tuple[Choice, ...]]:
    """(variables to set, the reason of each)."""
    found: List[Choice] = []
    target = chosen.question.target
    if target.device == "cuda":
        found += _cuda(chosen)
    if target.device == "rocm":
        override = override_of(target.cards[0], chosen.candidate, chosen.question)
        if override:
            found.append(_set(
                "HSA_OVERRIDE_GFX_VERSION", override,
                f"{chosen.candidate.tag} has no code for {target.cards[0].gfx}; code of its family runs on it",
            ))  # fmt: skip
    if target.device == "mps":
        found.append(_set("PYTORCH_ENABLE_MPS_FALLBACK", "1", "operations that Metal lacks run on the CPU"))
    found += _selection(chosen)
    return {choice.topic: choice.value for choice in found}, tuple(found)


def _set(name: str, text: str, reason: str) -> Choice:
    return Choice(topic=name, value=text, reason=reason)


def _cuda(chosen: Chosen) -> List[Choice]:
    found = []
    target, machine = chosen.question.target, chosen.question.machine
    if machine.os == "linux" and not machine.wsl and at_least(chosen.candidate.version, "2.1"):
        found.append(_set(
            "PYTORCH_CUDA_ALLOC_CONF", "expandable_segments:True",
            "less memory is lost to fragmentation where sizes change between steps",
        ))  # fmt: skip
    if len(target.cards) > 1 and any(_NO_PEER.search(card.gpu.name) for card in target.cards):
        for name in ("NCCL_P2P_DISABLE", "NCCL_IB_DISABLE"):
            found.append(_set(name, "1", "GeForce RTX 40 cards have no peer-to-peer access; without this NCCL hangs"))
    return found


def _selection(chosen: Chosen) -> List[Choice]:
    """Only where not every GPU that the runtime would show is planned for."""
    target = chosen.question.target
    same = [gpu for gpu in chosen.question.machine.gpus if gpu.vendor is target.vendor]
    if target.vendor is None or len(same) == len(target.cards):
        return []
    name = {"cuda": "CUDA_VISIBLE_DEVICES", "rocm": "HIP_VISIBLE_DEVICES", "xpu": "ZE_AFFINITY_MASK"}.get(target.device)
    if name is None:
        return []
    # A MIG device has no number of its own for CUDA, only its name.
    shown = ",".join(card.gpu.uuid if card.gpu.mig and card.gpu.uuid else str(card.gpu.index) for card in target.cards)
    if any(card.gpu.mig and not card.gpu.uuid for card in target.cards):
        return []
    found = [_set(name, shown, "the other GPUs are not part of this plan")]
    if target.device == "cuda":
        found.append(_set("CUDA_DEVICE_ORDER", "PCI_BUS_ID", "numbers mean the same as in nvidia-smi"))
    return found
