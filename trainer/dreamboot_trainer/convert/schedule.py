"""The noise-schedule buffers that LatentDiffusion stores in an original-layout file, computed without torch.

Why they are written: the published files have them, some readers take alphas_cumprod from the file and show black
images without it (tinygrad pull request 3681), and with them the file carries its own schedule instead of the reader's
default. The web UI and ComfyUI read a file with or without them.
"""

from __future__ import annotations

import math
import struct

from dreamboot_trainer.convert.config import Config

NAMES = (
    "betas", "alphas_cumprod", "alphas_cumprod_prev", "sqrt_alphas_cumprod", "sqrt_one_minus_alphas_cumprod",
    "log_one_minus_alphas_cumprod", "sqrt_recip_alphas_cumprod", "sqrt_recipm1_alphas_cumprod", "posterior_variance",
    "posterior_log_variance_clipped", "posterior_mean_coef1", "posterior_mean_coef2",
)  # fmt: skip
"""Source: `DDPM.register_schedule` in Stability-AI/stablediffusion, ldm/models/diffusion/ddpm.py."""


def buffers(scheduler: Config) -> dict[str, bytes]:
    """Every buffer as float32 bytes, from a scheduler_config.json; empty for schedules that the original hasn't.

    The original knows square-root-linear betas (diffusers: scaled_linear) among those that SD models use.
    """
    count, start, end = (scheduler.get(key) for key in ("num_train_timesteps", "beta_start", "beta_end"))
    if not (isinstance(count, int) and isinstance(start, float) and isinstance(end, float)):
        return {}
    if scheduler.get("beta_schedule") != "scaled_linear" or scheduler.get("trained_betas") is not None:
        return {}
    if scheduler.get("rescale_betas_zero_snr"):
        return {}
    betas = _square_root_linear(start, end, count)
    return {name: struct.pack(f"<{count}f", *values) for name, values in _derived(betas).items()}


def _square_root_linear(start: float, end: float, count: int) -> list[float]:
    """`torch.linspace(start ** 0.5, end ** 0.5, count, dtype=float64) ** 2`, which counts from both ends."""
    low, high = start**0.5, end**0.5
    step = (high - low) / (count - 1)
    half = count // 2
    roots = [low + step * i if i < half else high - step * (count - 1 - i) for i in range(count)]
    return [root**2 for root in roots]


def _derived(betas: list[float]) -> dict[str, list[float]]:
    """The arithmetic of register_schedule in double precision, with its default v_posterior = 0."""
    products: list[float] = []
    for beta in betas:
        products.append((products[-1] if products else 1.0) * (1.0 - beta))
    before = [1.0, *products[:-1]]
    variance = [b * (1.0 - p) / (1.0 - a) for b, p, a in zip(betas, before, products)]
    columns = (
        betas,
        products,
        before,
        [math.sqrt(a) for a in products],
        [math.sqrt(1.0 - a) for a in products],
        [math.log(1.0 - a) for a in products],
        [math.sqrt(1.0 / a) for a in products],
        [math.sqrt(1.0 / a - 1.0) for a in products],
        variance,
        [math.log(max(v, 1e-20)) for v in variance],
        [b * math.sqrt(p) / (1.0 - a) for b, p, a in zip(betas, before, products)],
        [(1.0 - p) * math.sqrt(1.0 - b) / (1.0 - a) for b, p, a in zip(betas, before, products)],
    )
    return dict(zip(NAMES, columns, strict=True))
