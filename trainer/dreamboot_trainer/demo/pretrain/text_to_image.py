"""Training of the demo's UNet on cached latents, after the words of a text encoder that has learned them already."""

from __future__ import annotations

import math
import random
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dreamboot_trainer.demo.pretrain import data

TEXT_WIDTH = 48
"""Width of the text encoder (SD 1.x: 768). The token table is 49408 times this, a fifth of the whole model."""
UNET_WIDTHS = (48, 80, 96, 96)
"""Channels of the four levels (SD 1.x: 320, 640, 1280, 1280)."""
HEAVIEST = 10.0
"""Cap of the loss weight 1 / sqrt(signal-to-noise ratio).

A plain noise error hardly counts what a prompt decides: the coarse picture at high noise, where the noise is easily
told. Min-SNR weighting (Hang et al. 2023) leaves that as it is. This weight lies half-way between an error of the
noise and an error of the picture.
"""


@dataclass(frozen=True)
class Settings:
    """How long and how fast. Each of the `captions` texts of a step is shown with `noises` noise levels.

    Ends after `minutes`, or after `steps` where given. `noisy_share` of the noise levels are drawn from `NOISY`, where
    the prompt decides what becomes visible.
    """

    minutes: float = 45.0
    steps: int | None = None
    captions: int = 16
    noises: int = 2
    learning_rate: float = 1.2e-3
    noisy_share: float = 0.5
    average_decay: float = 0.998
    seed: int = 0


NOISY = (400, 1000)
"""Time steps from half noise to all noise."""


def scheduler_config() -> dict[str, Any]:
    """The noise schedule of SD 1.x's release, as diffusers names it."""
    return {
        "num_train_timesteps": 1000,
        "beta_start": 0.00085,
        "beta_end": 0.012,
        "beta_schedule": "scaled_linear",
        "prediction_type": "epsilon",
        "set_alpha_to_one": False,
        "skip_prk_steps": True,
        "steps_offset": 1,
        "timestep_spacing": "leading",
    }


def build_unet() -> Any:
    """An untrained UNet with SD 1.x's levels, blocks, eight heads and convolutional projections."""
    from diffusers import UNet2DConditionModel

    return UNet2DConditionModel(  # type: ignore[no-untyped-call]
        sample_size=data.RESOLUTION // 8,
        block_out_channels=UNET_WIDTHS,
        cross_attention_dim=TEXT_WIDTH,
        attention_head_dim=8,
        norm_num_groups=16,
        layers_per_block=2,
    )


def build_text_encoder() -> Any:
    """An untrained CLIP text model with SD 1.x's twelve layers, 77 positions and vocabulary."""
    from transformers import CLIPTextConfig, CLIPTextModel

    config = CLIPTextConfig(
        vocab_size=49408,
        hidden_size=TEXT_WIDTH,
        intermediate_size=4 * TEXT_WIDTH,
        projection_dim=TEXT_WIDTH,
        num_hidden_layers=12,
        num_attention_heads=1,
        max_position_embeddings=77,
        hidden_act="quick_gelu",
        pad_token_id=49407,
        bos_token_id=49406,
        eos_token_id=49407,
    )
    return CLIPTextModel(config)


class FastAttention:
    """Attention for training on a CPU, the same result as diffusers' own processors.

    Self-attention at 256 places is half of a step. Measured forward and backward on one core for 32 pictures:
    PyTorch's fused attention in float32 with heads padded to 16 channels 58 ms, unpadded 84 ms, plain bf16 104 ms.
    Over the few words of a prompt the plain one in bf16 is faster (17 against 26 ms).
    """

    def __call__(self, attn: Any, hidden_states: Any, encoder_hidden_states: Any = None, **_: Any) -> Any:
        import torch
        from torch.nn import functional

        words = hidden_states if encoder_hidden_states is None else encoder_hidden_states
        parts = attn.to_q(hidden_states), attn.to_k(words), attn.to_v(words)
        query, key, value = (part.unflatten(-1, (attn.heads, -1)).transpose(1, 2) for part in parts)
        channels = query.shape[-1]
        if encoder_hidden_states is None:
            padding = (0, -channels % 16)
            with torch.autocast("cpu", enabled=False):
                q, k, v = (functional.pad(part.float(), padding) for part in (query, key, value))
                mixed = functional.scaled_dot_product_attention(q, k, v, scale=channels**-0.5)[..., :channels]
        else:
            mixed = torch.matmul(query * channels**-0.5, key.transpose(-1, -2)).softmax(-1) @ value
        return attn.to_out[0](mixed.transpose(1, 2).flatten(2))


class States:
    """What the text encoder makes of captions. It stays as `text` left it, so each caption is encoded once.

    Trained together with the UNet it forgot its words: the UNet can't use them at first, the spread between captions is
    then only noise to it, and within 700 steps it had shrunk to a thirtieth.
    """

    def __init__(self, encoder: Any, tokenizer: Any) -> None:
        self.encoder, self.tokenizer = encoder.eval(), tokenizer
        self.known: dict[str, Any] = {}

    def __call__(self, caption: str) -> Any:
        """The states of one caption: (77, width), bfloat16."""
        import torch

        if caption not in self.known:
            ids = self.tokenizer(caption, padding="max_length", max_length=77, truncation=True, return_tensors="pt")
            with torch.no_grad():
                self.known[caption] = self.encoder(ids.input_ids).last_hidden_state[0].bfloat16()
        return self.known[caption]


def train(latents: Any, states: States, folder: Path, settings: Settings) -> None:
    """Train for `settings.minutes` in all, in `folder`: `text_to_image.pt` (resumable) and `text_to_image.csv`.

    `latents`: float32 (N, K, 4, 16, 16), scaled to unit variance, rows in the order of `data.things()`.
    """
    import torch
    from diffusers import DDPMScheduler

    torch.manual_seed(settings.seed)
    unet = build_unet()
    unet.set_attn_processor(FastAttention())
    run = _Run(unet, torch.optim.AdamW(unet.parameters(), betas=(0.9, 0.99), weight_decay=1e-4, fused=True))
    file = folder / "text_to_image.pt"
    if file.exists():
        run.load(torch.load(file, weights_only=True))
    draw = _Draw(latents, states, settings, random.Random(settings.seed + run.step))  # noqa: S311
    make: Any = DDPMScheduler
    schedule = make(**{k: v for k, v in scheduler_config().items() if k.startswith(("beta", "num_train"))})
    spent, started, saved = run.seconds, time.time(), time.time()
    losses: list[float] = []
    with (folder / "text_to_image.csv").open("a", encoding="utf-8") as log:
        while (share := run.share(settings)) < 1:
            loss = step_loss(unet, schedule, *draw())
            rate = settings.learning_rate * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * share)))
            run.update(loss, rate * min(1, (run.step + 1) / 100), settings.average_decay)
            run.seconds = spent + time.time() - started
            losses.append(loss.item())
            if run.step % 25 == 0:
                log.write(f"{run.step},{run.seconds:.0f},{sum(losses) / len(losses):.5f}\n")
                log.flush()
                losses.clear()
            if time.time() - saved > 60:
                run.save(file)
                saved = time.time()
    run.save(file)


def start(weights: dict[str, Any], file: Path) -> None:
    """Write a state for `train` to go on from: these weights, a fresh optimizer, no steps or seconds yet."""
    import torch

    unet = build_unet()
    unet.load_state_dict(weights)
    _Run(unet, torch.optim.AdamW(unet.parameters(), betas=(0.9, 0.99), weight_decay=1e-4, fused=True)).save(file)


def step_loss(unet: Any, schedule: Any, clean: Any, words: Any, times: Any) -> Any:
    """The weighted noise error of one step: `clean` (B, 4, 16, 16), `words` (B, 77, width), `times` (B,) int64."""
    import torch

    noise = torch.randn_like(clean)
    noisy = schedule.add_noise(clean, noise, times)
    with torch.autocast("cpu", torch.bfloat16):
        guess = unet(noisy, times, words).sample.float()
    signal = schedule.alphas_cumprod[times]
    weight = ((1 - signal) / signal).sqrt().clamp(max=HEAVIEST)
    return (weight * (guess - noise).pow(2).mean((1, 2, 3))).mean()


class _Run:
    """The UNet in training: optimizer, running average of the weights, steps and seconds so far."""

    def __init__(self, unet: Any, optimizer: Any) -> None:
        self.unet, self.optimizer = unet, optimizer
        self.weights = list(unet.parameters())
        self.average = [weight.detach().clone() for weight in self.weights]
        self.step, self.seconds = 0, 0.0

    def share(self, settings: Settings) -> float:
        """How much of the training is done."""
        return self.step / settings.steps if settings.steps else self.seconds / (60 * settings.minutes)

    def update(self, loss: Any, rate: float, decay: float) -> None:
        """One optimizer step; the average follows quickly at first, when there is little to average."""
        import torch

        for group in self.optimizer.param_groups:
            group["lr"] = rate
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.weights, 1.0)
        self.optimizer.step()
        self.step += 1
        decay = min(decay, (1 + self.step) / (10 + self.step))
        torch._foreach_lerp_(self.average, [weight.detach() for weight in self.weights], 1 - decay)

    def save(self, file: Path) -> None:
        """Everything to go on from, written beside and then moved."""
        import torch

        names = [name for name, _ in self.unet.named_parameters()]
        state = {
            "unet": self.unet.state_dict(),
            "average": dict(zip(names, self.average, strict=True)),
            "optimizer": self.optimizer.state_dict(),
            "step": self.step,
            "seconds": self.seconds,
        }
        fresh = file.with_suffix(".new")
        torch.save(state, fresh)
        fresh.replace(file)

    def load(self, state: dict[str, Any]) -> None:
        """Go on from what `save` wrote."""
        self.unet.load_state_dict(state["unet"])
        self.average = [state["average"][name] for name, _ in self.unet.named_parameters()]
        self.optimizer.load_state_dict(state["optimizer"])
        self.step, self.seconds = state["step"], state["seconds"]


class _Draw:
    """Draws what one step learns from."""

    def __init__(self, latents: Any, states: States, settings: Settings, rng: random.Random) -> None:
        self.latents, self.states, self.settings, self.rng = latents, states, settings, rng
        self.things = data.things()
        self.weights = [data.OFTEN if thing.often else 1 for thing in self.things]

    def __call__(self) -> tuple[Any, Any, Any]:
        """Latents (B, 4, 16, 16), states of their captions (B, 77, width) and time steps (B,)."""
        import torch

        settings = self.settings
        rows = self.rng.choices(range(len(self.things)), self.weights, k=settings.captions)
        words = torch.stack([self.states(data.caption(self.things[row], self.rng)) for row in rows])
        shown = torch.tensor(rows).repeat_interleave(settings.noises)
        count = len(shown)
        noisy = torch.rand(count) < settings.noisy_share
        times = torch.where(noisy, torch.randint(*NOISY, (count,)), torch.randint(0, 1000, (count,)))
        clean = self.latents[shown, torch.randint(0, self.latents.shape[1], (count,))]
        return clean, words.repeat_interleave(settings.noises, 0), times
