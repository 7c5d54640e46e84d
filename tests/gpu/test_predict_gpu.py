"""Predicted memory against what a real GPU's allocator counts, on SD 1.5's architecture with random weights."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")
pytestmark = [pytest.mark.gpu, pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA GPU")]


@pytest.mark.parametrize("checkpointing", [True, False])
def test_the_peak_of_a_training_step(checkpointing):
    from diffusers import UNet2DConditionModel

    from dreamboot_trainer.predict.prediction import configs_of, predict
    from dreamboot_trainer.predict.request import Request

    configs = configs_of("sd1")
    wish = Request(family="sd1", samples=2, checkpointing=checkpointing, optimizer="adamw", mixed_precision="fp16")
    predicted = predict(wish, configs).allocated

    unet = UNet2DConditionModel.from_config(dict(configs["unet"])).cuda().train()
    if checkpointing:
        unet.enable_gradient_checkpointing()
    optimizer = torch.optim.AdamW(unet.parameters(), fused=True)
    noisy, words = torch.randn(2, 4, 64, 64, device="cuda"), torch.randn(2, 77, 768, device="cuda")
    torch.cuda.reset_peak_memory_stats()
    for _ in range(3):
        with torch.autocast("cuda", torch.float16):
            guess = unet(noisy, torch.zeros(2, dtype=torch.int64, device="cuda"), words).sample
        guess.float().pow(2).mean().backward()
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
    assert predicted == pytest.approx(torch.cuda.max_memory_allocated() / 2**20, rel=0.05)
