"""From noise to latents by deterministic DDIM (Song et al. 2020, eta 0) with classifier-free guidance."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch

from dreamboot_trainer.families.sd1.load import NoiseSchedule


def denoise(
    predict: Callable[..., torch.Tensor],
    schedule: NoiseSchedule,
    noise: torch.Tensor,
    text: Mapping[str, torch.Tensor],
    negative: Mapping[str, torch.Tensor],
    sizes: torch.Tensor,
    guidance: float,
    steps: int,
) -> torch.Tensor:
    """Latents [B, C, h, w] for the prompts in `text`, from the given noise of the same shape."""
    sampler = schedule.sample
    sampler.set_timesteps(steps)
    latents: torch.Tensor = noise * sampler.init_noise_sigma
    guided = guidance > 1.0
    rows = {name: torch.cat((negative[name], text[name])) for name in text} if guided else text
    both = torch.cat((sizes, sizes)) if guided else sizes
    # With a step for every noise level, the offset of SD's scheduler leads beyond the last one.
    beyond = max(0, int(sampler.timesteps[0]) + 1 - int(sampler.config.num_train_timesteps))
    for timestep in sampler.timesteps - beyond:
        inputs = torch.cat((latents, latents)) if guided else latents
        inputs = sampler.scale_model_input(inputs, timestep)
        answer = predict(inputs, timestep.expand(inputs.shape[0]).to(inputs.device), rows, both).float()
        if guided:
            without, with_prompt = answer.chunk(2)
            answer = without + guidance * (with_prompt - without)
        latents = sampler.step(answer, timestep, latents).prev_sample
    return latents
