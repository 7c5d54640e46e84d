"""Run by test_floor beside an old torch: import everything, then train a few steps. Prints "trained"."""

import accelerate
import bitsandbytes
import torch
from diffusers import UNet2DConditionModel
from peft import LoraConfig
from transformers import CLIPTextConfig, CLIPTextModel

text = CLIPTextModel(
    CLIPTextConfig(vocab_size=100, hidden_size=32, intermediate_size=64, num_hidden_layers=1, num_attention_heads=2,
                   max_position_embeddings=8, bos_token_id=1, eos_token_id=2, pad_token_id=0)
)  # fmt: skip
unet = UNet2DConditionModel(
    sample_size=8, block_out_channels=(32, 64), down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"),
    up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"), layers_per_block=1,
    cross_attention_dim=32, attention_head_dim=8,
)  # fmt: skip
hidden = text(torch.randint(0, 99, (1, 8)))[0].detach()
optimizer = bitsandbytes.optim.AdamW8bit(unet.parameters(), lr=1e-3)
runner = accelerate.Accelerator(cpu=True)
unet, optimizer = runner.prepare(unet, optimizer)
for _ in range(3):
    loss = unet(torch.randn(1, 4, 8, 8), torch.tensor([3]), hidden).sample.pow(2).mean()
    runner.backward(loss)
    optimizer.step()
    optimizer.zero_grad()
runner.unwrap_model(unet).add_adapter(LoraConfig(r=4, target_modules=["to_q", "to_v"]))
print("trained", torch.__version__, float(loss))
