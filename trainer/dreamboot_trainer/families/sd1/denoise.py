"""One call of SD 1.x's UNet and what it should have answered."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch

from dreamboot_trainer import noise
from dreamboot_trainer.families import Levels
from dreamboot_trainer.families.sd1.load import NoiseSchedule
from dreamboot_trainer.families.sd1.text import HIDDEN


def predict(
    denoiser: Any,
    noisy: torch.Tensor,
    timesteps: torch.Tensor,
    text: Mapping[str, torch.Tensor],
    _: torch.Tensor,
    __: float = 1.0,
) -> torch.Tensor:
    """The network's answer [B, C, h, w]."""
    answer: torch.Tensor = denoiser(noisy, timesteps, text[HIDDEN], return_dict=False)[0]
    return answer


def timestep(schedule: NoiseSchedule, _: Levels, __: Sequence[int], *names: int | str) -> int:
    """A noise level, each as likely, drawn for these names."""
    return noise.below(schedule.train.config.num_train_timesteps, *names)


def add_noise(
    schedule: NoiseSchedule, latents: torch.Tensor, added: torch.Tensor, timesteps: torch.Tensor
) -> torch.Tensor:
    """Latents at these noise levels."""
    noisy: torch.Tensor = schedule.train.add_noise(latents, added, timesteps)
    return noisy


def weights(schedule: NoiseSchedule, timesteps: torch.Tensor, snr_gamma: float) -> torch.Tensor:
    """Min-SNR weight of each sample [B] (Hang et al. 2023, section 3.4): min(SNR, gamma) / SNR for noise prediction.

    For velocity prediction the divisor is SNR + 1, since its loss is that much larger at equal error in x0.
    """
    alphas = schedule.train.alphas_cumprod.to(timesteps.device)[timesteps]
    ratio = alphas / (1 - alphas)
    divisor = ratio + 1 if schedule.train.config.prediction_type == "v_prediction" else ratio
    weight: torch.Tensor = ratio.clamp(max=snr_gamma) / divisor
    return weight


def target(
    schedule: NoiseSchedule, latents: torch.Tensor, added: torch.Tensor, timesteps: torch.Tensor
) -> torch.Tensor:
    """The noise, or the velocity (Salimans & Ho 2022) where the model's scheduler says so."""
    if schedule.train.config.prediction_type == "epsilon":
        return added
    velocity: torch.Tensor = schedule.train.get_velocity(latents, added, timesteps)
    return velocity
