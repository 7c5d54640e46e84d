"""One call of FLUX.1's transformer, which takes 2 x 2 latent pixels as one token; it is trained by flow matching."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch

from dreamboot_trainer.families import Levels
from dreamboot_trainer.families.flow import PATCH, add_noise, draw, target, weights
from dreamboot_trainer.families.sd1.text import HIDDEN
from dreamboot_trainer.families.sdxl.text import POOLED

__all__ = ["add_noise", "predict", "target", "timestep", "weights"]


def predict(
    denoiser: Any,
    noisy: torch.Tensor,
    timesteps: torch.Tensor,
    text: Mapping[str, torch.Tensor],
    _: torch.Tensor,
    guidance: float = 1.0,
) -> torch.Tensor:
    """The velocity [B, C, h, w] at shares of noise [B].

    The network was distilled to take the guidance as a number (dev). 1 is no guidance, which is what photos show.
    """
    height, width = noisy.shape[2] // PATCH, noisy.shape[3] // PATCH
    words = text[HIDDEN]
    told = torch.full_like(timesteps, guidance) if denoiser.config.guidance_embeds else None
    answer = denoiser(
        hidden_states=_packed(noisy), timestep=timesteps, guidance=told, encoder_hidden_states=words,
        pooled_projections=text[POOLED], img_ids=_places(height, width, noisy.device),
        txt_ids=torch.zeros(words.shape[1], 3, device=noisy.device), return_dict=False,
    )[0]  # fmt: skip
    return _unpacked(answer, height, width)


def timestep(schedule: Any, levels: Levels, shape: Sequence[int], *names: int | str) -> float:
    """Evenly drawn, then shifted as the model's own sampler does for this size.

    Even is the default of diffusers' train_dreambooth_lora_flux.py; how the model itself was trained is not published.
    """
    return draw(schedule, levels, "uniform", shape, *names)


def _packed(latents: torch.Tensor) -> torch.Tensor:
    """[B, C, h, w] as tokens [B, h/2 * w/2, C * 4], rows first; in a token the channel runs slowest."""
    batch, channels, height, width = latents.shape
    split = latents.reshape(batch, channels, height // PATCH, PATCH, width // PATCH, PATCH)
    return split.permute(0, 2, 4, 1, 3, 5).reshape(batch, -1, channels * PATCH**2)


def _unpacked(tokens: torch.Tensor, height: int, width: int) -> torch.Tensor:
    """The inverse for `height` x `width` tokens."""
    batch, _, wide = tokens.shape
    split = tokens.reshape(batch, height, width, wide // PATCH**2, PATCH, PATCH)
    return split.permute(0, 3, 1, 4, 2, 5).reshape(batch, -1, height * PATCH, width * PATCH)


def _places(height: int, width: int, device: torch.device) -> torch.Tensor:
    """Row and column of each token, for the rotary embedding: [height * width, 3], the first number always 0."""
    places = torch.zeros(height, width, 3, device=device)
    places[..., 1] = torch.arange(height, device=device)[:, None]
    places[..., 2] = torch.arange(width, device=device)
    return places.reshape(-1, 3)
