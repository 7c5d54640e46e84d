"""The training loop. It knows no model family, no optimizer and no device."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import Any

import torch

from dreamboot_trainer import finite, losses, noise, sharding, tracking
from dreamboot_trainer.context import Context
from dreamboot_trainer.data.batches import Batch, Batches
from dreamboot_trainer.ema import Average
from dreamboot_trainer.problems import Interrupted
from dreamboot_trainer.trainable import Trainable


@dataclass(slots=True)
class Training:
    """What the loop works on. `wrapped` is `trainable` as accelerate prepared it."""

    trainable: Trainable
    wrapped: Any
    optimizer: Any
    schedule: Any
    batches: Batches
    average: Average | None = None
    parameters: list[torch.nn.Parameter] = field(init=False)

    def __post_init__(self) -> None:
        # Going through all modules again in every step would cost more than the norm of a small network.
        self.parameters = [parameter for parameter in self.wrapped.parameters() if parameter.requires_grad]


@dataclass(slots=True)
class StepResult:
    """Means over the processes of one optimizer step."""

    loss: float
    instance: float
    prior: float | None
    norm: float
    interrupted: bool


def train(
    context: Context, training: Training, first: int, after_step: Callable[[int], None], save: Callable[[int], None]
) -> None:
    """Optimizer steps first+1 .. max_train_steps.

    `after_step(n)` runs when n steps are done (samples); `save(n)` writes a checkpoint, at its interval, at the end,
    and before Interrupted is raised. RepeatingError on a loss that is not finite: nothing of that step is saved.
    """
    settings, events = context.config.training, context.events
    training.wrapped.train()
    for step in range(first, settings.max_train_steps):
        started = time.perf_counter()
        rate = training.schedule.get_last_lr()[0]
        result = _optimizer_step(context, training, step)
        done = step + 1
        data = {"loss": result.loss, "learning_rate": rate, "seconds_per_step": round(time.perf_counter() - started, 6)}
        data["peak_memory_mib"] = context.backend.peak_memory_mib(context.accelerator.device.index or 0)
        if result.prior is not None:
            data |= {"instance_loss": result.instance, "prior_loss": result.prior}
        if settings.max_grad_norm:
            data["gradient_norm"] = result.norm
        events.progress("train", done, settings.max_train_steps, "steps", **data)
        tracking.log(context, data, done)
        due = done % context.config.checkpoint.checkpointing_steps == 0 or done == settings.max_train_steps
        if due or result.interrupted:
            save(done)
        if result.interrupted:
            raise Interrupted(done)
        after_step(done)


def _optimizer_step(context: Context, training: Training, step: int) -> StepResult:
    settings = context.config.training
    count = settings.gradient_accumulation_steps
    sums = torch.zeros(4, dtype=torch.float64)
    for micro in range(count):
        batches = training.batches.at(step, micro, context.process)
        # Dropout and the like draw from the global generator: a resumed run must find it as the first run had it.
        seed = noise.seed_of(settings.seed, "step", step, micro, context.process)
        # torch.manual_seed looks for every kind of GPU as well.
        (torch.default_generator if context.backend.NAME == "cpu" else torch).manual_seed(seed)
        last = micro == count - 1
        # Gradients of the earlier micro-batches stay in the process; the last one exchanges the sum.
        with nullcontext() if last else context.accelerator.no_sync(training.wrapped):
            each = torch.cat([_losses(training, batch) for batch in batches])
            instances = sum(batch.instances for batch in batches)
            loss = losses.combine(each, instances, context.config.prior.prior_loss_weight)
            context.accelerator.backward(loss.total / count)
        prior = loss.prior if loss.prior is not None else torch.zeros(())
        parts = torch.stack([loss.total.detach().float().cpu(), loss.instance.float().cpu(), prior.float().cpu()])
        sums[:3] += parts.double() / count
    sums[3] = context.interrupts.requested
    sums = _over_processes(context, sums)
    has_prior = loss.prior is not None
    finite.require_loss(context, sums[0].item(), step + 1)
    if settings.text_encoder_steps and step >= settings.text_encoder_steps:
        training.trainable.drop_text_gradients()
    norm = _clip(context, training)
    training.optimizer.step()
    if not getattr(training.optimizer, "step_was_skipped", False):
        training.schedule.step()
    for parameter in training.parameters:
        parameter.grad = None
    if training.average is not None:
        training.average.update(step + 1)
    total, instance, prior_loss, signal = sums.tolist()
    return StepResult(total, instance, prior_loss if has_prior else None, norm, signal > 0)


def _losses(training: Training, batch: Batch) -> torch.Tensor:
    """The loss of each sample [B]."""
    answer = training.wrapped(batch.noisy, batch.timesteps, batch.text, batch.sizes)
    return losses.per_sample(answer, batch.target, batch.weights)


def _over_processes(context: Context, sums: torch.Tensor) -> torch.Tensor:
    """The mean over the processes, on the CPU."""
    if context.processes == 1:
        return sums
    shared: torch.Tensor = context.accelerator.reduce(sums.float().to(context.accelerator.device), reduction="mean")
    return shared.double().cpu()


def _clip(context: Context, training: Training) -> float:
    """Scale the gradients down to max_grad_norm; the norm before. 0 where clipping is off."""
    limit = context.config.training.max_grad_norm
    if not limit:
        return 0.0
    if context.sharded:
        norm = sharding.whole(context.accelerator.clip_grad_norm_(training.parameters, limit))
    else:
        context.accelerator.unscale_gradients()
        gradients = [parameter.grad for parameter in training.parameters if parameter.grad is not None]
        norm = torch.nn.utils.get_total_norm(gradients)
        # Where nothing is cut, multiplying all gradients by one is a hundredth of a small model's step.
        if not float(norm) + 1e-6 <= limit:
            torch.nn.utils.clip_grads_with_norm_(training.parameters, limit, norm)
    value = float(norm) if norm is not None else 0.0
    return value if math.isfinite(value) else 0.0
