"""From noise to latents along SD 3.x's flow, with classifier-free guidance."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch

from dreamboot_trainer.families.flow import integrate, rows_of


def denoise(
    predict: Callable[..., torch.Tensor],
    schedule: Any,
    noise: torch.Tensor,
    text: Mapping[str, torch.Tensor],
    negative: Mapping[str, torch.Tensor],
    sizes: torch.Tensor,
    guidance: float,
    steps: int,
) -> torch.Tensor:
    """Latents [B, C, h, w] for the prompts in `text`, from the given noise of the same shape."""
    guided = guidance > 1.0
    rows = rows_of(negative, text) if guided else text
    both = torch.cat((sizes, sizes)) if guided else sizes

    def velocity(latents: torch.Tensor, share: torch.Tensor) -> torch.Tensor:
        if not guided:
            return predict(latents, share, rows, both)
        answer = predict(torch.cat((latents, latents)), torch.cat((share, share)), rows, both).float()
        without, with_prompt = answer.chunk(2)
        return without + guidance * (with_prompt - without)

    return integrate(schedule, noise, steps, velocity)
