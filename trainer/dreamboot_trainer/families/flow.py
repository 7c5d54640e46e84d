"""Flow matching, as SD 3.x and FLUX.1 have it: noise levels are shares of noise, the network answers the velocity.

Between a picture's latents x and noise e the way is straight: z = (1 - s) x + s e for a share s of noise (Lipman et al.
2022; Esser et al. 2024, arXiv 2403.03206, section 2, equation 13). Its velocity dz/ds = e - x is what is learnt.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from diffusers.schedulers.scheduling_flow_match_euler_discrete import FlowMatchEulerDiscreteScheduler

from dreamboot_trainer import noise
from dreamboot_trainer.families import Levels
from dreamboot_trainer.families.weights import guarded
from dreamboot_trainer.model_folder import ModelFolder

PATCH = 2
"""Latent pixels on a side that are one token of the transformer, in both families."""
STEPS = 1000
"""Timesteps are counted up to this in the schedulers' configs; a share of noise is a timestep through it."""


def noise_schedule(folder: ModelFolder) -> Any:
    """Euler steps along the flow, with the folder's shift."""
    with guarded(folder.part("scheduler")):
        return FlowMatchEulerDiscreteScheduler.from_config(dict(folder.config("scheduler")))


def tokens_of(shape: Sequence[int]) -> int:
    """Tokens that latents (C, h, w) become."""
    return (shape[1] // PATCH) * (shape[2] // PATCH)


def mu_of(schedule: Any, tokens: int) -> float | None:
    """The logarithm of the shift where it depends on the picture's size, on a line through two sizes; else None.

    Source: Black Forest Labs' release of FLUX.1 (flux/sampling.py, get_schedule); the ends are in the folder's config.
    """
    config = schedule.config
    if not config.use_dynamic_shifting:
        return None
    slope = (config.max_shift - config.base_shift) / (config.max_image_seq_len - config.base_image_seq_len)
    return float(config.base_shift + slope * (tokens - config.base_image_seq_len))


def shift_of(schedule: Any, tokens: int) -> float:
    """How far the model's own sampler moves noise levels up: 1 is not at all."""
    mu = mu_of(schedule, tokens)
    return float(schedule.config.shift) if mu is None else math.exp(mu)


def draw(schedule: Any, levels: Levels, sampling: str, shape: Sequence[int], *names: int | str) -> float:
    """A share of noise in 0..1 for these names; `sampling` serves where `levels` leaves it open.

    Shifted by a factor a, the share s becomes a s / (1 + (a - 1) s) (Esser et al. 2024, equation 23).
    """
    kind = sampling if levels.sampling == "auto" else levels.sampling
    if kind == "logit_normal":
        share = torch.sigmoid(noise.gaussian((1,), *names)).item()
    else:
        share = 1.0 - random.Random(noise.seed_of(*names)).random()  # noqa: S311 - no secret
    shift = levels.shift or shift_of(schedule, tokens_of(shape))
    return shift * share / (1 + (shift - 1) * share)


def add_noise(_: Any, latents: torch.Tensor, added: torch.Tensor, timesteps: torch.Tensor) -> torch.Tensor:
    """Latents at these shares of noise [B]."""
    share = timesteps.reshape(-1, 1, 1, 1)
    return (1 - share) * latents + share * added


def target(_: Any, latents: torch.Tensor, added: torch.Tensor, __: torch.Tensor) -> torch.Tensor:
    """The velocity."""
    return added - latents


def weights(_: Any, timesteps: torch.Tensor, snr_gamma: float) -> torch.Tensor:
    """Min-SNR weight of each sample [B] (Hang et al. 2023): min(SNR, gamma) on the error of the picture.

    The signal-to-noise ratio is ((1 - s) / s)^2, and an error of the velocity is s times as large in the picture,
    since x = z - s v.
    """
    ratio = ((1 - timesteps) / timesteps) ** 2
    return ratio.clamp(max=snr_gamma) * timesteps**2


def integrate(
    schedule: Any,
    start: torch.Tensor,
    steps: int,
    velocity: Callable[[torch.Tensor, torch.Tensor], torch.Tensor],
    shares: Sequence[float] | None = None,
) -> torch.Tensor:
    """From noise [B, C, h, w] to latents in Euler steps; `velocity(latents, shares of noise [B])` is the network's.

    `shares`: the steps' shares of noise before the shift; None spaces them evenly over the levels of training.
    """
    mu = mu_of(schedule, tokens_of(start.shape[1:]))
    schedule.set_timesteps(None if shares else steps, sigmas=shares, mu=mu)
    latents = start
    for timestep in schedule.timesteps:
        share = (timestep / STEPS).expand(latents.shape[0]).to(latents.device)
        latents = schedule.step(velocity(latents, share).float(), timestep, latents).prev_sample
    return latents


def rows_of(rows: Mapping[str, torch.Tensor], other: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Two sets of text rows, one after the other."""
    return {name: torch.cat((rows[name], other[name])) for name in rows}
