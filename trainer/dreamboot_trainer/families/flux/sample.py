"""From noise to latents along FLUX.1's flow. Guidance is told to the network; it has no use for a negative prompt."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch

from dreamboot_trainer.families.flow import integrate


def denoise(
    predict: Callable[..., torch.Tensor],
    schedule: Any,
    noise: torch.Tensor,
    text: Mapping[str, torch.Tensor],
    _: Mapping[str, torch.Tensor],
    sizes: torch.Tensor,
    guidance: float,
    steps: int,
) -> torch.Tensor:
    """Latents [B, C, h, w] for the prompts in `text`, from the given noise of the same shape.

    Steps are spaced evenly from 1 to 1 / `steps` before the shift, as in the release (flux/sampling.py, get_schedule).
    """

    def velocity(latents: torch.Tensor, share: torch.Tensor) -> torch.Tensor:
        return predict(latents, share, text, sizes, guidance)

    return integrate(schedule, noise, steps, velocity, [1 - index / steps for index in range(steps)])
