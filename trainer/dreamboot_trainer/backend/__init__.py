"""What the device decides: where, in which number format, by which attention. Each answer carries its reason."""

from __future__ import annotations

import importlib
import pkgutil
from dataclasses import dataclass
from functools import cache
from typing import Any, Protocol, cast

from dreamboot_trainer.problems import TrainerError, mismatch


@dataclass(frozen=True, kw_only=True, slots=True)
class Choice:
    """A decision and why."""

    value: str
    reason: str


class Backend(Protocol):
    """One module per kind of device. `NAME` is torch's device type; `PRIORITY` orders the search, highest first."""

    NAME: str
    PRIORITY: int

    def available(self) -> bool: ...
    def precision(self, index: int) -> Choice: ...
    def attention(self, precision: str, index: int) -> Choice: ...
    def peak_memory_mib(self, index: int) -> int: ...


@cache
def backends() -> tuple[Backend, ...]:
    """Every backend, the one to prefer first."""
    found = [
        cast(Backend, importlib.import_module(f"{__name__}.{module.name}")) for module in pkgutil.iter_modules(__path__)
    ]
    return tuple(sorted(found, key=lambda backend: -backend.PRIORITY))


def choose(wish: str) -> Backend:
    """The wished backend, or with `auto` the best available one. TrainerError where the wish cannot be met."""
    for backend in backends():
        if wish in ("auto", backend.NAME) and backend.available():
            return backend
    raise TrainerError(
        mismatch(
            "device-not-available",
            f"There is no usable {wish} device here.",
            f"a working {wish} device and a torch build for it",
            _torch_build(),
            "--set device=auto",
        )
    )


def precision(backend: Backend, wish: str, index: int = 0) -> Choice:
    """`no`, `fp16` or `bf16`: the wish, or the backend's own choice."""
    if wish == "auto":
        return backend.precision(index)
    if wish == "fp16" and backend.NAME == "cpu":
        raise TrainerError(
            mismatch(
                "precision-not-supported",
                "Training in fp16 does not work on a CPU.",
                "no or bf16 on a CPU",
                "mixed_precision = fp16",
                "--set mixed_precision=auto",
            )
        )
    return Choice(value=wish, reason="as configured")


def attention(backend: Backend, wish: str, precision: str, index: int = 0) -> Choice:
    """One of config.ATTENTIONS but `auto`: the wish, or the backend's own choice."""
    return backend.attention(precision, index) if wish == "auto" else Choice(value=wish, reason="as configured")


def set_attention(denoiser: Any, name: str) -> None:
    """Make a diffusers network use this implementation of attention."""
    if name == "xformers":
        try:
            denoiser.enable_xformers_memory_efficient_attention()
        except (ImportError, ModuleNotFoundError, ValueError) as error:
            raise TrainerError(
                mismatch(
                    "xformers-missing",
                    "xformers cannot be used.",
                    "xformers for this torch",
                    error,
                    "--set attention=sdpa",
                )
            ) from error
    else:
        denoiser.set_attn_processor(_processor(name))
    if name == "sdpa" and denoiser.device.type == "cpu":
        from dreamboot_trainer.narrow_heads import NarrowHeadsProcessor, is_narrow

        for layer in denoiser.modules():
            if hasattr(layer, "set_processor") and is_narrow(layer):
                layer.set_processor(NarrowHeadsProcessor())


def _processor(name: str) -> Any:
    from diffusers.models import attention_processor as diffusers_own

    if name == "memory_efficient":
        from dreamboot_trainer.attention import MemoryEfficientProcessor

        return MemoryEfficientProcessor()
    make: Any = diffusers_own.AttnProcessor if name == "naive" else diffusers_own.AttnProcessor2_0
    return make()


def _torch_build() -> str:
    import torch

    return f"torch {torch.__version__}"
