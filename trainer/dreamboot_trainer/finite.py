"""Training that has left the range of its numbers stops before anything good is replaced by it."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

from dreamboot_trainer.config import Config
from dreamboot_trainer.context import Context
from dreamboot_trainer.problems import RepeatingError, mismatch
from dreamboot_trainer.sharding import local


def require_loss(context: Context, loss: float, step: int) -> None:
    """RepeatingError on a loss that is not finite: nothing of that step is saved."""
    if not math.isfinite(loss):
        raise _stopped(context, step, f"The loss of step {step}", "a finite loss", str(loss))


def require_weights(context: Context, weights: Iterable[Any], step: int) -> None:
    """RepeatingError where the step has made a weight that is no number, which its own loss does not show.

    Every process calls it: with sharded weights each one looks at its part.
    """
    sound = all(bool(local(weight.detach()).isfinite().all()) for weight in weights)
    if not all(context.gather([sound])):
        raise _stopped(context, step, f"A weight after step {step}", "finite weights", "nan or inf")


def _stopped(context: Context, step: int, what: str, expected: str, found: str) -> RepeatingError:
    settings, rate = context.config.training, context.config.optimizer.learning_rate
    causes = [f"the learning rate {rate:g} is too high"]
    # Prodigy and SGD have rates of another size.
    lower = rate / 10 if context.config.optimizer.optimizer in ("prodigy", "sgd") else min(rate / 10, 1e-4)
    hint = f"--set learning_rate={lower:g} --set resume=never"
    unusual = _unusual(context.config)
    if unusual:
        causes = [f"{key} = {value:g} is too high" for key, value, _ in unusual]
        hint = " ".join(f"--set {key}={usual:g}" for key, _, usual in unusual) + " --set resume=never"
    if context.accelerator.mixed_precision == "fp16":
        causes.insert(0, "numbers beyond the range of fp16")
        hint = "--set mixed_precision=no   (or bf16, where the device has it)"
    elif step == 1:
        causes.insert(0, "the model's weights are damaged")
    return RepeatingError(
        mismatch(
            "loss-not-finite",
            f"{what} of {settings.max_train_steps} is {found}; training stopped. The checkpoints made so far are kept.",
            expected,
            f"{found}; likely {' or '.join(causes)}",
            hint,
        )
    )


def _unusual(config: Config) -> list[tuple[str, float, float]]:
    """(key, value, usual value) of settings that multiply the loss or a change by far more than anybody asks for."""
    lora, training, optimizer = config.lora, config.training, config.optimizer
    rows = (
        ("prior_loss_weight", config.prior.prior_loss_weight, 1.0, 100.0),
        ("noise_offset", training.noise_offset, 0.1, 10.0),
        ("lora_alpha", lora.lora_alpha if training.method == "lora" else 0.0, lora.lora_rank, 100.0 * lora.lora_rank),
        ("text_encoder_learning_rate", optimizer.text_encoder_learning_rate, optimizer.learning_rate, 1.0),
    )
    return [(key, value, usual) for key, value, usual, limit in rows if value > limit]
