"""Optimizers by name, and the course of the learning rate."""

from __future__ import annotations

import importlib
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


_FUSED_ON = frozenset({"cpu", "cuda", "xpu", "mps"})
"""Devices with a fused kernel of torch's AdamW and SGD."""


def _implementation(settings: Settings, device: str) -> tuple[dict[str, Any], Choice]:
    """torch's keyword for how an optimizer goes over the weights, and its name with the reason."""
    wish = settings.optimizer_implementation
    if wish == "auto":
        if device not in _FUSED_ON:
            return {}, Choice(value=settings.optimizer, reason=f"no fused kernel for {device}")
        reason = "one kernel for all weights; on a CPU 5 times as fast as torch's default"
        return {"fused": True}, Choice(value=f"{settings.optimizer} (fused)", reason=reason)
    keyword = {"fused": {"fused": True}, "foreach": {"foreach": True}, "loop": {"foreach": False}}[wish]
    return keyword, Choice(value=f"{settings.optimizer} ({wish})", reason="as configured")


def _adamw(groups: Groups, settings: Settings, device: str) -> tuple[torch.optim.Optimizer, Choice]:
    import torch

    keyword, choice = _implementation(settings, device)
    return torch.optim.AdamW(groups, **keyword, **_adam_options(settings)), choice


def _from_bitsandbytes(class_name: str, reason: str, *without: str) -> Builder:
    """An optimizer of bitsandbytes with Adam's options but those it does not take."""

    def make(groups: Groups, settings: Settings, _: str) -> tuple[torch.optim.Optimizer, Choice]:
        options = {name: value for name, value in _adam_options(settings).items() if name not in without}
        found = getattr(_library("bitsandbytes").optim, class_name)(groups, **options)
        return found, Choice(value=f"{settings.optimizer} (bitsandbytes)", reason=reason)

    return make


def _ademamix(groups: Groups, settings: Settings, _: str) -> tuple[torch.optim.Optimizer, Choice]:
    options = _adam_options(settings)
    options["betas"] = (*options["betas"], 0.9999)
    choice = Choice(value="ademamix8bit (bitsandbytes)", reason="a second, slow average of the gradients (0.9999)")
    return _library("bitsandbytes").optim.AdEMAMix8bit(groups, **options), choice


def _adafactor(groups: Groups, settings: Settings, _: str) -> tuple[torch.optim.Optimizer, Choice]:
    from transformers.optimization import Adafactor

    options = {"scale_parameter": False, "relative_step": False, "weight_decay": settings.adam_weight_decay}
    choice = Choice(value="adafactor (transformers)", reason="second moments by row and column: almost no state")
    make: Any = Adafactor
    return make(groups, lr=settings.learning_rate, **options), choice


def _prodigy(groups: Groups, settings: Settings, _: str) -> tuple[torch.optim.Optimizer, Choice]:
    options = _adam_options(settings)
    found: torch.optim.Optimizer = _library("prodigyopt").Prodigy(
        groups, **options, use_bias_correction=True, safeguard_warmup=True
    )
    return found, Choice(value="prodigy (prodigyopt)", reason="finds the learning rate itself; give it learning_rate 1")


def _sgd(groups: Groups, settings: Settings, device: str) -> tuple[torch.optim.Optimizer, Choice]:
    import torch

    keyword, choice = _implementation(settings, device)
    options: dict[str, Any] = {"lr": settings.learning_rate, "momentum": settings.adam_beta1}
    return torch.optim.SGD(groups, **keyword, **options), choice


def _library(name: str) -> Any:
    """An optional library. Its import may run native code and fail in many ways, all of which mean the same here."""
    try:
        return importlib.import_module(name)
    except Exception as error:
        raise TrainerError(
            mismatch(
                f"{name}-broken",
                f"The optimizer's library {name} cannot be loaded.",
                f"a {name} that fits this torch and device",
                f"{type(error).__name__}: {error}",
                f"pip install {name}, or: --set optimizer=adamw",
            )
        ) from error


_POLYNOMIAL_END = 1e-7

Builder = Callable[["Groups", Settings, str], "tuple[torch.optim.Optimizer, Choice]"]
OPTIMIZERS: Mapping[str, Builder] = {
    "adamw": _adamw,
    "adamw8bit": _from_bitsandbytes("AdamW8bit", "optimizer state of 2 bytes per weight instead of 8"),
    "paged_adamw": _from_bitsandbytes("PagedAdamW", "state that moves to main memory when VRAM is short"),
    "paged_adamw8bit": _from_bitsandbytes("PagedAdamW8bit", "8-bit state that moves to main memory when VRAM is short"),
    "ademamix8bit": _ademamix,
    "lion": _from_bitsandbytes("Lion", "one moment instead of two; wants a third of Adam's learning rate", "eps"),
    "lion8bit": _from_bitsandbytes("Lion8bit", "one 8-bit moment; wants a third of Adam's learning rate", "eps"),
    "paged_lion8bit": _from_bitsandbytes("PagedLion8bit", "8-bit moment that moves to main memory", "eps"),
    "adafactor": _adafactor,
    "prodigy": _prodigy,
    "sgd": _sgd,
}


def schedule(optimizer: torch.optim.Optimizer, settings: Settings, steps: int) -> torch.optim.lr_scheduler.LRScheduler:
    """The learning rate over `steps` optimizer steps, by diffusers' schedules of the same names."""
    from diffusers.optimization import get_polynomial_decay_schedule_with_warmup, get_scheduler

    if settings.lr_scheduler == "polynomial":
        # It ends at 1e-7, which must be below the start, and divides by the steps after the warm-up.
        return get_polynomial_decay_schedule_with_warmup(
            optimizer,
            settings.lr_warmup_steps,
            max(steps, settings.lr_warmup_steps + 1),
            lr_end=_POLYNOMIAL_END if settings.learning_rate > _POLYNOMIAL_END else 0.0,
            power=settings.lr_power,
        )
    found: torch.optim.lr_scheduler.LRScheduler = get_scheduler(
        settings.lr_scheduler,
        optimizer=optimizer,
        num_warmup_steps=settings.lr_warmup_steps,
        num_training_steps=steps,
        num_cycles=settings.lr_num_cycles,
        power=settings.lr_power,
    )
    return found
