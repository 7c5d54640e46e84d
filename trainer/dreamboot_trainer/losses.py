"""The training objective."""

from __future__ import annotations

from dataclasses import dataclass

import torch


@dataclass(slots=True)
class Loss:
    """`total` is what is minimised; the others, without gradient, are what it is made of (prior None without prior)."""

    total: torch.Tensor
    instance: torch.Tensor
    prior: torch.Tensor | None


def per_sample(predicted: torch.Tensor, target: torch.Tensor, weights: torch.Tensor | None = None) -> torch.Tensor:
    """Mean squared error of each sample [B], in float32, times its weight."""
    errors = torch.nn.functional.mse_loss(predicted.float(), target.float(), reduction="none").flatten(1).mean(1)
    return errors if weights is None else errors * weights


def combine(losses: torch.Tensor, instances: int, prior_loss_weight: float) -> Loss:
    """Mean over the first `instances` samples plus the weighted mean over the class samples that follow.

    The two means are taken apart, so that their ratio does not depend on how many there are of each
    (Ruiz et al. 2022, equation 2; lambda is `prior_loss_weight`).
    """
    instance = losses[:instances].mean()
    if losses.shape[0] == instances:
        return Loss(instance, instance.detach(), None)
    prior = losses[instances:].mean()
    return Loss(instance + prior_loss_weight * prior, instance.detach(), prior.detach())
