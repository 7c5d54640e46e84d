"""Apple's GPUs."""

from __future__ import annotations

from dreamboot_trainer.backend import Choice

NAME = "mps"
PRIORITY = 10


def available() -> bool:
    """Whether torch sees an Apple GPU."""
    import torch

    return bool(torch.backends.mps.is_available())


def precision(_: int) -> Choice:
    """float32: autocast on this device is incomplete."""
    return Choice(value="no", reason="autocast is incomplete on Apple's GPUs")


def attention(_: str, __: int) -> Choice:
    """torch's fused attention."""
    return Choice(value="sdpa", reason="torch's fused attention")


def peak_memory_mib(_: int) -> int:
    """Memory that torch holds on the GPU now, in MiB (the device keeps no peak)."""
    import torch

    return int(torch.mps.driver_allocated_memory() // 2**20)
