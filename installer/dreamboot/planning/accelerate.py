"""accelerate's settings for a machine, in the keys that the plan's accelerate release knows."""

from __future__ import annotations

from typing import Any, Dict, FrozenSet

from dreamboot.catalog.versions import numbers
from dreamboot.planning.companions import Chosen


def settings(chosen: Chosen, precision: str, version: str) -> Dict[str, Any]:
    """What goes into accelerate.yaml. A key that this release does not know would stop it, so none is written."""
    target, machine = chosen.question.target, chosen.question.machine
    several = len(target.cards) > 1 and machine.os == "linux"
    wanted: Dict[str, Any] = {
        "compute_environment": "LOCAL_MACHINE",
        "debug": False,
        "distributed_type": _distributed(target.device) if several else "NO",
        "downcast_bf16": "no",
        "enable_cpu_affinity": False,
        "gpu_ids": "all" if target.device in ("cuda", "rocm") else None,
        "machine_rank": 0,
        "main_training_function": "main",
        "mixed_precision": precision,
        "num_machines": 1,
        "num_processes": len(target.cards) if several else 1,
        "rdzv_backend": "static",
        "same_network": True,
        "use_cpu": target.device == "cpu",
    }
    known = keys_of(chosen, version)
    return {key: item for key, item in wanted.items() if key in known and item is not None}


def _distributed(device: str) -> str:
    return "MULTI_XPU" if device == "xpu" else "MULTI_GPU"


def keys_of(chosen: Chosen, version: str) -> FrozenSet[str]:
    """Keys of the newest release in the catalog that is not newer than `version`; of the oldest when all are."""
    rows = sorted(chosen.question.catalog.table("accelerate"), key=lambda row: numbers(row.accelerate))
    fitting = [row for row in rows if numbers(row.accelerate) <= numbers(version)]
    return frozenset((fitting or rows)[-1 if fitting else 0].keys)
