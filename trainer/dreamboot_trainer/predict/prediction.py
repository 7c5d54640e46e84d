"""A request becomes a prediction: MiB by part, and in all as nvidia-smi counts."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dreamboot_trainer.predict.request import Request

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
    """MiB. `parts`: what the tensors hold at the peak; `allocator`: reserved beyond that; `total`: all together."""

    parts: Mapping[str, int]
    allocator: int
    context: int
    seconds: float

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
            "parts": dict(self.parts),
            "allocated": self.allocated,
            "allocator": self.allocator,
            "context": self.context,
            "total": self.total,
            "seconds": round(self.seconds, 1),
        }


def predict(request: Request, configs: Mapping[str, Mapping[str, Any]], *, loading: str = "lazy") -> Prediction:
    """The peak of a training step, in 5 to 40 seconds. `configs`: by folder, as in a diffusers folder."""
    from dreamboot_trainer.predict.allocator import reserved
    from dreamboot_trainer.predict.step import record

    begun = time.monotonic()
    trace = record(request, configs)
    parts = {name: -(-size // MIB) for name, size in sorted(trace.peak().items(), key=lambda part: -part[1])}
    held = -(-reserved(trace.events) // MIB)
    return Prediction(
        parts=parts,
        allocator=max(0, held - sum(parts.values())),
        context=-(-(CONTEXT_BYTES[loading] + CUBLAS_BYTES) // MIB),
        seconds=time.monotonic() - begun,
    )


def configs_of(family: str) -> Mapping[str, Mapping[str, Any]]:
    """The configs of a family's published model, by folder (also of sd35-medium, an SD 3.5)."""
    own = Path(__file__).parent / "published" / f"{family}.json"
    if own.is_file():
        found: dict[str, Mapping[str, Any]] = json.loads(own.read_text(encoding="utf-8"))
        return found
    from dreamboot_trainer.convert.infer import published

    return published(family)
