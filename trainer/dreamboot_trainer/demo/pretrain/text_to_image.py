"""Joint training of the demo's text encoder and UNet on cached latents."""

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
MIN_SNR_GAMMA = 5.0
"""Hang et al. 2023, "Efficient Diffusion Training via Min-SNR Weighting Strategy": gamma 5."""


@dataclass(frozen=True)
class Settings:
    """How long and how fast. Each of the `captions` texts of a step is shown with `noises` noise levels."""

    minutes: float = 60.0
    captions: int = 16
    noises: int = 2
    learning_rate: float = 1e-3
    ema_decay: float = 0.999
    seed: int = 0


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

    return UNet2DConditionModel(
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
        num_attention_heads=6,
        max_position_embeddings=77,
        hidden_act="quick_gelu",
        pad_token_id=49407,
        bos_token_id=49406,
        eos_token_id=49407,
    )
    return CLIPTextModel(config)


class Net:
    """The two networks that learn, as one list of parameters, and their running average."""

    def __init__(self, decay: float) -> None:
        from diffusers.models.attention_processor import AttnProcessor

        self.unet, self.text_encoder = build_unet(), build_text_encoder()
        # The plain attention, since SDPA's backward pass in bf16 is ten times slower on a CPU.
        self.unet.set_attn_processor(AttnProcessor())
        self.parameters = [*self.unet.parameters(), *self.text_encoder.parameters()]
        self.average = [p.detach().clone() for p in self.parameters]
        self.decay = decay

    def follow(self, step: int) -> None:
        """Move the running average towards the weights; quickly at first, when there is nothing to average."""
        import torch

        decay = min(self.decay, (1 + step) / (10 + step))
        torch._foreach_lerp_(self.average, [p.detach() for p in self.parameters], 1 - decay)

    def swap(self) -> None:
        """Exchange weights and running average in place."""
        import torch

        with torch.no_grad():
            for weight, mean in zip(self.parameters, self.average, strict=True):
                kept = weight.clone()
                weight.copy_(mean)
                mean.copy_(kept)


def train(latents: Any, tokenizer: Any, folder: Path, settings: Settings) -> None:
    """Train for `settings.minutes` in all, in `folder`: `text_to_image.pt` (resumable) and `text_to_image.csv`.

    `latents`: float32 (N, K, 4, 16, 16), scaled to unit variance, rows in the order of `data.things()`.
    """
    import torch
    from diffusers import DDPMScheduler

    torch.manual_seed(settings.seed)
    net, file = Net(settings.ema_decay), folder / "text_to_image.pt"
    optimizer = torch.optim.AdamW(net.parameters, lr=1e-3, betas=(0.9, 0.99), weight_decay=1e-3, fused=True)
    step, spent = _resume(file, net, optimizer)
    rng = random.Random(settings.seed + step)  # noqa: S311
    draw = _Draw(latents, tokenizer, settings, rng)
    schedule = DDPMScheduler(**{k: v for k, v in scheduler_config().items() if k.startswith(("beta", "num_train"))})
    started = saved = time.time()
    running = 1.0
    with (folder / "text_to_image.csv").open("a", encoding="utf-8") as log:
        while (elapsed := spent + time.time() - started) < 60 * settings.minutes:
            rate = settings.learning_rate * min(1, (step + 1) / 200)
            rate *= 0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * elapsed / (60 * settings.minutes)))
            for group in optimizer.param_groups:
                group["lr"] = rate
            loss = step_loss(net, schedule, *draw())
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(net.parameters, 1.0)
            optimizer.step()
            net.follow(step)
            step += 1
            running += (loss.item() - running) / min(step, 100)
            if step % 50 == 0:
                log.write(f"{step},{elapsed:.0f},{running:.5f}\n")
                log.flush()
            if time.time() - saved > 90:
                _save(file, net, optimizer, step, spent + time.time() - started)
                saved = time.time()
    _save(file, net, optimizer, step, spent + time.time() - started)


def step_loss(net: Net, schedule: Any, clean: Any, ids: Any, noises: int) -> Any:
    """The weighted noise error of one step: `clean` (B, 4, 16, 16), `ids` (B / noises, 77)."""
    import torch

    times = torch.randint(0, 1000, (len(clean),))
    noise = torch.randn_like(clean)
    noisy = schedule.add_noise(clean, noise, times)
    with torch.autocast("cpu", torch.bfloat16):
        words = net.text_encoder(ids).last_hidden_state.repeat_interleave(noises, 0)
        guess = net.unet(noisy, times, words).sample.float()
    signal = schedule.alphas_cumprod[times]
    ratio = signal / (1 - signal)
    weight = ratio.clamp(max=MIN_SNR_GAMMA) / ratio
    return (weight * (guess - noise).pow(2).mean((1, 2, 3))).mean()


class _Draw:
    """Draws one step's latents and token ids; each caption is tokenised once."""

    def __init__(self, latents: Any, tokenizer: Any, settings: Settings, rng: random.Random) -> None:
        self.latents, self.tokenizer, self.settings, self.rng = latents, tokenizer, settings, rng
        self.things = data.things()
        self.known: dict[str, Any] = {}

    def __call__(self) -> tuple[Any, Any, int]:
        import torch

        rows = [self.rng.randrange(len(self.things)) for _ in range(self.settings.captions)]
        ids = torch.stack([self._ids(data.caption(self.things[row], self.rng)) for row in rows])
        twice = torch.tensor(rows).repeat_interleave(self.settings.noises)
        clean = self.latents[twice, torch.randint(0, self.latents.shape[1], twice.shape)]
        return clean, ids, self.settings.noises

    def _ids(self, text: str) -> Any:
        if text not in self.known:
            made = self.tokenizer(text, padding="max_length", max_length=77, truncation=True, return_tensors="pt")
            self.known[text] = made.input_ids[0]
        return self.known[text]


def _save(file: Path, net: Net, optimizer: Any, step: int, spent: float) -> None:
    import torch

    state = {
        "unet": net.unet.state_dict(),
        "text_encoder": net.text_encoder.state_dict(),
        "average": net.average,
        "optimizer": optimizer.state_dict(),
        "step": step,
        "seconds": spent,
    }
    fresh = file.with_suffix(".new")
    torch.save(state, fresh)
    fresh.replace(file)


def _resume(file: Path, net: Net, optimizer: Any) -> tuple[int, float]:
    """Load what an earlier call saved; (steps, seconds) that it took."""
    import torch

    if not file.exists():
        return 0, 0.0
    state = torch.load(file, weights_only=True)
    net.unet.load_state_dict(state["unet"])
    net.text_encoder.load_state_dict(state["text_encoder"])
    net.average = state["average"]
    optimizer.load_state_dict(state["optimizer"])
    return state["step"], state["seconds"]
