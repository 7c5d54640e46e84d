"""One call of SD 3.x's transformer; it is trained by flow matching."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch

from dreamboot_trainer.families import Levels
from dreamboot_trainer.families.flow import STEPS, add_noise, draw, target, weights
from dreamboot_trainer.families.sd1.text import HIDDEN
from dreamboot_trainer.families.sdxl.text import POOLED

__all__ = ["add_noise", "predict", "target", "timestep", "weights"]


def predict(
    denoiser: Any,
    noisy: torch.Tensor,
    timesteps: torch.Tensor,
    text: Mapping[str, torch.Tensor],
    _: torch.Tensor,
    __: float = 1.0,
) -> torch.Tensor:
    """The velocity [B, C, h, w] at shares of noise [B]."""
    answer: torch.Tensor = denoiser(
        hidden_states=noisy, timestep=timesteps * STEPS, encoder_hidden_states=text[HIDDEN],
        pooled_projections=text[POOLED], return_dict=False,
    )[0]  # fmt: skip
    return answer


def timestep(schedule: Any, levels: Levels, shape: Sequence[int], *names: int | str) -> float:
    """Logit-normal, centred on the middle: rf/lognorm(0.00, 1.00), the best of Esser et al. 2024 (table 1)."""
    return draw(schedule, levels, "logit_normal", shape, *names)
