"""Optimizers by name, and the course of the learning rate."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from dreamboot_trainer.backend import Choice
from dreamboot_trainer.config import Optimizer as Settings
from dreamboot_trainer.problems import TrainerError, mismatch

if TYPE_CHECKING:
    import torch

    Groups = Sequence[dict[str, Any]]


def build(groups: Groups, settings: Settings, device: str) -> tuple[torch.optim.Optimizer, Choice]:
    """The optimizer over parameter groups (each with `params` and `lr`), and which implementation it is and why."""
    return OPTIMIZERS[settings.optimizer](groups, settings, device)


def _adam_options(settings: Settings) -> dict[str, Any]:
    return {
        "lr": settings.learning_rate,
        "betas": (settings.adam_beta1, settings.adam_beta2),
        "weight_decay": settings.adam_weight_decay,
        "eps": settings.adam_epsilon,
    }


def _adamw(groups: Groups, settings: Settings, device: str) -> tuple[torch.optim.Optimizer, Choice]:
    import torch

    options = _adam_options(settings)
    if device in {"cpu", "cuda", "xpu", "mps"}:
        reason = "one kernel for all weights; on a CPU 5 times as fast as torch's default"
        return torch.optim.AdamW(groups, fused=True, **options), Choice(value="adamw (fused)", reason=reason)
    return torch.optim.AdamW(groups, **options), Choice(value="adamw", reason=f"no fused kernel for {device}")


def _adamw8bit(groups: Groups, settings: Settings, _: str) -> tuple[torch.optim.Optimizer, Choice]:
    bitsandbytes = _bitsandbytes()
    choice = Choice(value="adamw8bit (bitsandbytes)", reason="optimizer state of 2 bytes per weight instead of 8")
    return bitsandbytes.optim.AdamW8bit(groups, **_adam_options(settings)), choice


def _bitsandbytes() -> Any:
    try:
        import bitsandbytes
    except Exception as error:
        # Its import runs native code and fails in many ways: ImportError, OSError, AttributeError, RuntimeError.
        raise TrainerError(
            mismatch(
                "bitsandbytes-broken",
                "bitsandbytes cannot be loaded.",
                "a bitsandbytes that fits this torch and device",
                f"{type(error).__name__}: {error}",
                "--set optimizer=adamw",
            )
        ) from error
    return bitsandbytes


Builder = Callable[["Groups", Settings, str], "tuple[torch.optim.Optimizer, Choice]"]
OPTIMIZERS: Mapping[str, Builder] = {"adamw": _adamw, "adamw8bit": _adamw8bit}


def schedule(optimizer: torch.optim.Optimizer, settings: Settings, steps: int) -> torch.optim.lr_scheduler.LRScheduler:
    """The learning rate over `steps` optimizer steps, by diffusers' schedules of the same names."""
    from diffusers.optimization import get_scheduler

    found: torch.optim.lr_scheduler.LRScheduler = get_scheduler(
        settings.lr_scheduler,
        optimizer=optimizer,
        num_warmup_steps=settings.lr_warmup_steps,
        num_training_steps=steps,
        num_cycles=settings.lr_num_cycles,
        power=settings.lr_power,
    )
    return found
