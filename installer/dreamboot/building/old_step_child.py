"""Runs inside an environment of an old profile, alone: one training step of a miniature UNet, as accelerate runs it.

The trainer needs Python 3.10 and today's libraries; this needs only what every diffusers since 0.7 has. Prints the
loss before and after on its last line, as JSON.
"""

from __future__ import annotations

import importlib
import json
import math
import sys
from typing import Any


def main() -> None:
    """Two losses on the same batch, one optimizer step between them."""
    import torch
    from accelerate import Accelerator

    diffusers: Any = importlib.import_module("diffusers")
    torch.manual_seed(0)
    unet = diffusers.UNet2DConditionModel(
        sample_size=8, block_out_channels=(32, 64), layers_per_block=1, cross_attention_dim=32, attention_head_dim=8,
        norm_num_groups=8, down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"),
    )  # fmt: skip
    accelerator = Accelerator()
    unet, optimizer = accelerator.prepare(unet, torch.optim.AdamW(unet.parameters(), lr=1e-3))
    device = accelerator.device
    latents, noise = torch.randn(2, 4, 8, 8, device=device), torch.randn(2, 4, 8, 8, device=device)
    text, times = torch.randn(2, 7, 32, device=device), torch.tensor([100, 700], device=device)
    noisy = diffusers.DDPMScheduler(num_train_timesteps=1000).add_noise(latents, noise, times)
    losses = []
    for _ in range(2):
        loss = torch.nn.functional.mse_loss(unet(noisy, times, text).sample.float(), noise)
        accelerator.backward(loss)
        optimizer.step()
        optimizer.zero_grad()
        losses.append(loss.item())
    if not all(map(math.isfinite, losses)) or losses[1] >= losses[0]:
        sys.exit(f"the loss did not fall: {losses}")
    sys.stdout.write("\n" + json.dumps({"losses": losses}) + "\n")


main()
