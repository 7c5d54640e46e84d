"""The CPU: always there."""

from __future__ import annotations

import sys

from dreamboot_trainer.backend import Choice

NAME = "cpu"
PRIORITY = 0


def available() -> bool:
    """Always."""
    return True


def precision(_: int) -> Choice:
    """float32: see the reason."""
    return Choice(
        value="no",
        reason="a CPU lacks operations in fp16, and its attention runs about 10 times slower backwards in bf16",
    )


def attention(precision: str, _: int) -> Choice:
    """Fused attention in float32, plain in bf16."""
    if precision == "bf16":
        return Choice(
            value="naive", reason="the backward pass of fused attention in bf16 is about 10 times slower on a CPU"
        )
    return Choice(value="sdpa", reason="torch's fused attention")


def peak_memory_mib(_: int) -> int:
    """Largest resident size of this process so far, in MiB."""
    if sys.platform == "win32":
        import psutil

        return int(psutil.Process().memory_info().peak_wset // 2**20)
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return int(peak // 2**20 if sys.platform == "darwin" else peak // 2**10)
