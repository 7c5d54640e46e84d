"""The demo's autoencoder: SD 1.x's topology at small widths, trained on crops first and whole pictures after."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dreamboot_trainer.demo.pretrain import data

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

WIDTHS = (16, 32, 64, 64)
"""Channels of the four levels (SD 1.x: 128, 256, 512, 512). The top level sets the cost: 128x128 convolutions.

The last two are equal as in SD 1.x: otherwise there are four more tensors (shortcuts) than its checkpoints have.
"""
KL_WEIGHT = 1e-3
"""Weight of the KL term per latent number; light, as in Rombach et al. 2022."""

COLOUR_WEIGHT = 20.0
"""Weight of the error of hue in 4x4 means. Without it hues came last: after 9 minutes turtles were brown."""

KEPT_LOGVAR = -6.4
"""Log variance that an encoder is held to while it learns given latents: a spread of 0.04, as training had found."""


@dataclass(frozen=True)
class Settings:
    """How long and how fast. `crop_share` of the minutes goes to 64-pixel crops: four times the steps per second."""

    minutes: float = 12.0
    batch_size: int = 4
    learning_rate: float = 1.5e-3
    crop_share: float = 0.3
    seed: int = 0


def build() -> Any:
    """An untrained `AutoencoderKL` with SD 1.x's four levels, two blocks each, and four latent channels."""
    from diffusers import AutoencoderKL

    make: Any = AutoencoderKL
    return make(
        block_out_channels=WIDTHS,
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        layers_per_block=2,
        norm_num_groups=8,
        latent_channels=4,
        sample_size=data.RESOLUTION,
    )


def edges(pictures: Any) -> Any:
    """Horizontal and vertical differences of (B, 3, H, W), flattened and joined: what a blurred copy gets wrong."""
    import torch

    across = (pictures[..., 1:] - pictures[..., :-1]).flatten(1)
    down = (pictures[..., 1:, :] - pictures[..., :-1, :]).flatten(1)
    return torch.cat((across, down), 1)


def loss_of(vae: Any, pictures: Any, latents: Any = None) -> tuple[Any, Any]:
    """(loss, mean squared error) of one batch (B, 3, H, W) in [-1, 1].

    Absolute and squared error, the hue of 4x4 patches, edges and the KL term. With `latents` (B, 4, H/8, W/8) the
    encoder learns to give these and the decoder learns from these, so that what was cached stays valid.
    """
    import torch
    from torch.nn import functional

    with torch.autocast("cpu", torch.bfloat16):
        code = vae.encode(pictures).latent_dist
        back = vae.decode(code.sample() if latents is None else latents).sample.float()
    error = functional.mse_loss(back, pictures)
    wrong = back - pictures
    tint = functional.avg_pool2d(wrong - wrong.mean(1, keepdim=True), 4).square().mean()
    sharp = functional.l1_loss(edges(back), edges(pictures))
    loss = functional.l1_loss(back, pictures) + error + COLOUR_WEIGHT * tint + sharp
    if latents is None:
        return loss + KL_WEIGHT * code.kl().mean().float() / code.mean[0].numel(), error
    apart = functional.mse_loss(code.mean.float(), latents) / latents.var()
    return loss + apart + 1e-3 * (code.logvar.float() - KEPT_LOGVAR).square().mean(), error


def train(views: NDArray[np.uint8], folder: Path, settings: Settings, latents: Any = None) -> None:
    """Train for `settings.minutes` of wall clock and keep `vae.pt` and `vae.csv` (step, loss, dB) in `folder`.

    Starts from an existing `vae.pt`. `latents` (N, K, 4, 16, 16): codes of the views to keep to, see `loss_of`.
    """
    import math

    import numpy as np
    import torch

    torch.manual_seed(settings.seed)
    rng = np.random.default_rng(settings.seed)
    vae = build()
    file = folder / "vae.pt"
    if file.exists():
        vae.load_state_dict(torch.load(file, weights_only=True))
    optimizer = torch.optim.AdamW(
        vae.parameters(), lr=settings.learning_rate, betas=(0.9, 0.99), weight_decay=1e-4, fused=True
    )
    start, step, saved = time.time(), 0, time.time()
    with (folder / "vae.csv").open("a", encoding="utf-8") as log:
        while (done := (time.time() - start) / (60 * settings.minutes)) < 1:
            rate = (
                settings.learning_rate * min(1, (step + 1) / 100) * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * done)))
            )
            for group in optimizer.param_groups:
                group["lr"] = rate
            loss, error = loss_of(vae, *_batch(views, latents, settings, done, rng))
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(vae.parameters(), 1.0)
            optimizer.step()
            step += 1
            if step % 25 == 0:
                decibels = 10 * math.log10(4 / error.item())
                log.write(f"{step},{loss.item():.5f},{decibels:.2f}\n")
                log.flush()
                if time.time() - saved > 60:
                    torch.save(vae.state_dict(), file)
                    saved = time.time()
    torch.save(vae.state_dict(), file)


def _batch(views: NDArray[np.uint8], latents: Any, settings: Settings, done: float, rng: np.random.Generator) -> Any:
    """Pictures in [-1, 1], and their latents where these are given.

    Crops of half the side while `done` is below the crop share, whole pictures after.
    """
    things, each = views.shape[:2]
    rows = rng.integers(things, size=settings.batch_size)
    which = rng.integers(each if latents is None else latents.shape[1], size=settings.batch_size)
    if latents is not None:
        return data.as_tensor(views[rows, which]), latents[rows, which]
    if done >= settings.crop_share:
        return (data.as_tensor(views[rows, which]),)
    half = data.RESOLUTION // 2
    top, left = 8 * rng.integers(half // 8 + 1, size=2)
    return (data.as_tensor(views[rows, which, top : top + half, left : left + half]),)


def encode(vae: Any, views: NDArray[np.uint8]) -> Any:
    """Latents of (N, K, 128, 128, 3) views, one sample each: float32 (N, K, 4, 16, 16), not scaled."""
    import torch

    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
        rows = [vae.encode(data.as_tensor(row)).latent_dist.sample().float() for row in views]
    return torch.stack(rows)
