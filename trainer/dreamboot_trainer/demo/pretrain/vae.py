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

WIDTHS = (16, 32, 64, 96)
"""Channels of the four levels (SD 1.x: 128, 256, 512, 512). The top level sets the cost: 128x128 convolutions."""
KL_WEIGHT = 1e-3
"""Weight of the KL term per latent number; light, as in Rombach et al. 2022."""

COLOUR_WEIGHT = 8.0
"""Weight of the error of 8x8 means. Without it hues were learned last: after 9 minutes every turtle was brown."""


@dataclass(frozen=True)
class Settings:
    """How long and how fast. `crop_share` of the minutes goes to 64-pixel crops: four times the steps per second."""

    minutes: float = 12.0
    batch_size: int = 16
    learning_rate: float = 2e-3
    crop_share: float = 0.5
    seed: int = 0


def build() -> Any:
    """An untrained `AutoencoderKL` with SD 1.x's four levels, two blocks each, and four latent channels."""
    from diffusers import AutoencoderKL

    return AutoencoderKL(
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


def loss_of(vae: Any, pictures: Any, train_encoder: bool = True) -> tuple[Any, Any]:
    """(loss, mean squared error) of one batch (B, 3, H, W) in [-1, 1]; absolute and squared error,
    the colour of 8x8 patches, edges and the KL term."""
    import torch
    from torch.nn import functional

    with torch.set_grad_enabled(train_encoder), torch.autocast("cpu", torch.bfloat16):
        code = vae.encode(pictures).latent_dist
        latent = code.sample()
    with torch.autocast("cpu", torch.bfloat16):
        back = vae.decode(latent).sample.float()
    error = functional.mse_loss(back, pictures)
    tint = functional.mse_loss(functional.avg_pool2d(back, 8), functional.avg_pool2d(pictures, 8))
    loss = (
        functional.l1_loss(back, pictures)
        + error
        + COLOUR_WEIGHT * tint
        + functional.l1_loss(edges(back), edges(pictures))
    )
    if train_encoder:
        loss = loss + KL_WEIGHT * code.kl().mean().float() / latent[0].numel()
    return loss, error


def train(views: NDArray[np.uint8], folder: Path, settings: Settings, decoder_only: bool = False) -> None:
    """Train for `settings.minutes` of wall clock and keep `vae.pt` and `vae.csv` (step, loss, dB) in `folder`.

    Starts from an existing `vae.pt`. `decoder_only` leaves the encoder, and so every cached latent, as it is.
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
    parameters = [*vae.decoder.parameters(), *vae.post_quant_conv.parameters()] if decoder_only else vae.parameters()
    optimizer = torch.optim.AdamW(
        parameters, lr=settings.learning_rate, betas=(0.9, 0.99), weight_decay=1e-4, fused=True
    )
    start, step, saved = time.time(), 0, time.time()
    with (folder / "vae.csv").open("a", encoding="utf-8") as log:
        while (done := (time.time() - start) / (60 * settings.minutes)) < 1:
            rate = (
                settings.learning_rate * min(1, (step + 1) / 100) * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * done)))
            )
            for group in optimizer.param_groups:
                group["lr"] = rate
            loss, error = loss_of(vae, _batch(views, settings, done, rng), not decoder_only)
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


def _batch(views: NDArray[np.uint8], settings: Settings, done: float, rng: np.random.Generator) -> Any:
    """One batch in [-1, 1]: crops of half the side while `done` is below the crop share, whole pictures after."""
    things, each = views.shape[:2]
    rows, which = rng.integers(things, size=settings.batch_size), rng.integers(each, size=settings.batch_size)
    if done >= settings.crop_share:
        return data.as_tensor(views[rows, which])
    half = data.RESOLUTION // 2
    top, left = 8 * rng.integers(half // 8 + 1, size=2)
    return data.as_tensor(views[rows, which, top : top + half, left : left + half])


def encode(vae: Any, views: NDArray[np.uint8]) -> Any:
    """Latents of (N, K, 128, 128, 3) views, one sample each: float32 (N, K, 4, 16, 16), not scaled."""
    import torch

    with torch.inference_mode():
        rows = [vae.encode(data.as_tensor(row)).latent_dist.sample() for row in views]
    return torch.stack(rows)
