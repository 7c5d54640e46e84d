"""One call of SDXL's UNet, which is also told the photo's size, its crop, and the projected text."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from dreamboot_trainer.families.sd1.denoise import add_noise, target, timestep, weights
from dreamboot_trainer.families.sd1.text import HIDDEN
from dreamboot_trainer.families.sdxl.text import POOLED

__all__ = ["add_noise", "predict", "target", "timestep", "weights"]


def predict(
    denoiser: Any,
    noisy: torch.Tensor,
    timesteps: torch.Tensor,
    text: Mapping[str, torch.Tensor],
    sizes: torch.Tensor,
    _: float = 1.0,
) -> torch.Tensor:
    """The network's answer [B, C, h, w]. Order of the sizes: Podell et al. 2023, section 2.2, as diffusers has it."""
    told = {"text_embeds": text[POOLED], "time_ids": sizes.to(text[POOLED].dtype)}
    answer: torch.Tensor = denoiser(noisy, timesteps, text[HIDDEN], added_cond_kwargs=told, return_dict=False)[0]
    return answer
