"""A request becomes a prediction: MiB by part, and in all as nvidia-smi counts."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dreamboot_trainer.predict.request import Request

if TYPE_CHECKING:
    from dreamboot_trainer.predict.trace import Trace

MIB = 1024 * 1024
_SEGMENT = 20 * MIB
CONTEXT_BYTES: Mapping[str, int] = {"lazy": 287_047_680 - _SEGMENT, "eager": 666_632_192 - _SEGMENT}
"""The CUDA context with torch's kernels, by CUDA_MODULE_LOADING. Source: pytorch/pytorch pull request 86509: total
minus free memory of a process with one small tensor; the 20 MiB segment of that tensor is taken off here. torch asks
for lazy loading since 1.13; the builds of 2022 loaded eagerly."""
CUBLAS_BYTES = 2 * 8_519_680
"""Workspaces of the forward and the backward thread: the default `:4096:2:16:8` KiB each (torch's notes on CUDA,
CUBLAS_WORKSPACE_CONFIG). cuDNN's workspaces are not known beforehand and are left out."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Prediction:
    """MiB, at the moment of the run that holds most. `parts`: what the tensors hold at its peak; `allocator`: reserved
    beyond that; `total`: all together. `moments`: the total of each moment that was asked for; `moment`: the largest.
    """

    parts: Mapping[str, int]
    allocator: int
    context: int
    seconds: float
    moments: Mapping[str, int]

    @property
    def moment(self) -> str:
        """The moment that `parts` are of."""
        return max(self.moments, key=lambda name: self.moments[name])

    @property
    def allocated(self) -> int:
        """The peak of `torch.cuda.max_memory_allocated`."""
        return sum(self.parts.values())

    @property
    def total(self) -> int:
        """The peak as nvidia-smi counts it."""
        return self.allocated + self.allocator + self.context

    def to_json(self) -> dict[str, Any]:
        """Everything in MiB, and the seconds that it took."""
        return {
            "moment": self.moment,
            "moments": dict(self.moments),
            "parts": dict(self.parts),
            "allocated": self.allocated,
            "allocator": self.allocator,
            "context": self.context,
            "total": self.total,
            "seconds": round(self.seconds, 1),
        }


def predict(request: Request, configs: Mapping[str, Mapping[str, Any]], *, loading: str = "lazy") -> Prediction:
    """The peak of a run, in 3 to 20 seconds. `configs`: by folder, as in a diffusers folder."""
    from dreamboot_trainer.predict.step import record

    begun = time.monotonic()
    return prediction_of(record(request, configs), begun, loading=loading)


def prediction_of(trace: Trace, begun: float, *, loading: str = "lazy") -> Prediction:
    """What a trace comes to. `begun`: when the work on it began (time.monotonic).

    What the allocator reserves beyond the tensors is counted for the steps alone. Around them it gives back what lies
    unused before it runs short, as it does with what one moment leaves in its pools for the next.
    """
    from dreamboot_trainer.predict.allocator import reserved
    from dreamboot_trainer.predict.step import STEP

    context = context_mib(loading)
    found: dict[str, tuple[int, dict[str, int], int]] = {}
    for name in trace.moments:
        sizes = sorted(trace.peak(name).items(), key=lambda part: -part[1])
        parts = {part: -(-size // MIB) for part, size in sizes}
        pools = -(-reserved(trace.during(name)) // MIB) if name == STEP else 0
        allocator = max(0, pools - sum(parts.values()))
        found[name] = (sum(parts.values()) + allocator + context, parts, allocator)
    _, parts, allocator = max(found.values(), key=lambda item: item[0])
    return Prediction(
        parts=parts,
        allocator=allocator,
        context=context,
        seconds=time.monotonic() - begun,
        moments={name: item[0] for name, item in found.items()},
    )


def context_mib(loading: str) -> int:
    """What is taken before there is a tensor: the CUDA context with torch's kernels, cuBLAS' workspaces."""
    return -(-(CONTEXT_BYTES[loading] + CUBLAS_BYTES) // MIB)


def configs_of(family: str) -> Mapping[str, Mapping[str, Any]]:
    """The configs of a family's published model, by folder (also of sd35-medium, an SD 3.5)."""
    own = Path(__file__).parent / "published" / f"{family}.json"
    if own.is_file():
        found: dict[str, Mapping[str, Any]] = json.loads(own.read_text(encoding="utf-8"))
        return found
    from dreamboot_trainer.convert.infer import published

    return published(family)
