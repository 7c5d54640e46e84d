"""Intel GPUs."""

from __future__ import annotations

from dreamboot_trainer.backend import Choice

NAME = "xpu"
PRIORITY = 20


def available() -> bool:
    """Whether torch sees an Intel GPU."""
    import torch

    return hasattr(torch, "xpu") and bool(torch.xpu.is_available())


def precision(_: int) -> Choice:
    """bf16: every Arc and Data Center GPU has it."""
    return Choice(value="bf16", reason="Intel's Xe matrix units compute in bf16")


def attention(_: str, __: int) -> Choice:
    """torch's fused attention."""
    return Choice(value="sdpa", reason="torch's fused attention")


def peak_memory_mib(index: int) -> int:
    """Most memory that torch has held on the GPU, in MiB."""
    import torch

    return int(torch.xpu.max_memory_allocated(index) // 2**20)
