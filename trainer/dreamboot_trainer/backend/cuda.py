"""NVIDIA and AMD GPUs: torch names both `cuda`."""

from __future__ import annotations

from dreamboot_trainer.backend import Choice

NAME = "cuda"
PRIORITY = 30

_BF16_FROM = (8, 0)
"""Compute capability of the first GPUs with bf16 matrix units (Ampere; CUDA C++ Programming Guide, "Arithmetic")."""
_NO_FP16 = ("GTX 16",)
"""GPUs whose half-precision results turn to NaN in Stable Diffusion (known of every GTX 16xx; AUTOMATIC1111 needs
--no-half there)."""


def available() -> bool:
    """Whether torch sees a GPU."""
    import torch

    return bool(torch.cuda.is_available())


def precision(index: int) -> Choice:
    """bf16 from Ampere on and on AMD's matrix cores, fp16 before, float32 on GTX 16xx."""
    import torch

    name = torch.cuda.get_device_name(index)
    if torch.version.hip is not None:
        value = "bf16" if torch.cuda.is_bf16_supported() else "fp16"
        return Choice(value=value, reason=f"{name}: {'' if value == 'bf16' else 'no '}bf16 in hardware")
    return precision_of(name, torch.cuda.get_device_capability(index))


def precision_of(name: str, capability: tuple[int, int]) -> Choice:
    """The number format for an NVIDIA GPU of this name and compute capability."""
    said = f"{name} has compute capability {capability[0]}.{capability[1]}"
    if any(word in name for word in _NO_FP16):
        return Choice(value="no", reason=f"{said}; half precision gives NaN on this series")
    if capability >= _BF16_FROM:
        return Choice(value="bf16", reason=f"{said}, bf16 needs 8.0")
    return Choice(value="fp16", reason=f"{said}, bf16 needs 8.0")


def attention(_: str, __: int) -> Choice:
    """torch's fused attention."""
    return Choice(value="sdpa", reason="torch's fused attention picks the flash or memory-efficient kernel by itself")


def peak_memory_mib(index: int) -> int:
    """Most memory that torch has held on the GPU, in MiB."""
    import torch

    return int(torch.cuda.max_memory_allocated(index) // 2**20)
