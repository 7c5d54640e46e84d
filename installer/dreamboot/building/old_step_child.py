"""Runs inside an environment of an old profile, alone: one training step of the demo model, as accelerate runs it.

The trainer needs Python 3.10 and today's libraries; this small adapter needs what every diffusers since 0.7 and every
transformers since 4.20 have. Arguments: the demo model's folder, one photo. Prints the loss before and after on its
last line, as JSON.
"""

from __future__ import annotations

import importlib
import inspect
import json
import math
import sys
from pathlib import Path
from typing import Any, Dict

PROMPT = "a photo of sks animal"
LEARNING_RATE = 1e-4
# diffusers 0.7 has these names in the VAE's attention.
OLD_NAMES = (("to_q", "query"), ("to_k", "key"), ("to_v", "value"), ("to_out.0", "proj_attn"))


def main() -> None:
    """Two losses on the same batch, one optimizer step between them."""
    import torch
    from accelerate import Accelerator

    folder, photo = Path(sys.argv[1]), Path(sys.argv[2])
    diffusers: Any = importlib.import_module("diffusers")
    torch.manual_seed(0)
    latents = encoded(diffusers, folder / "vae", photo)
    text = conditioned(folder)
    unet = loaded(diffusers.UNet2DConditionModel, folder / "unet")
    accelerator = Accelerator()
    unet, optimizer = accelerator.prepare(unet, torch.optim.AdamW(unet.parameters(), lr=LEARNING_RATE))
    scheduler = diffusers.DDPMScheduler(num_train_timesteps=1000, beta_start=0.00085, beta_end=0.012,
                                        beta_schedule="scaled_linear")  # fmt: skip
    noise, times = torch.randn_like(latents), torch.tensor([500])
    noisy = scheduler.add_noise(latents, noise, times)
    batch = [item.to(accelerator.device) for item in (noisy, times, text, noise)]
    losses = []
    for _ in range(2):
        loss = torch.nn.functional.mse_loss(unet(*batch[:3]).sample.float(), batch[3])
        accelerator.backward(loss)
        optimizer.step()
        optimizer.zero_grad()
        losses.append(loss.item())
    if not all(map(math.isfinite, losses)) or losses[1] >= losses[0]:
        sys.exit(f"the loss did not fall: {losses}")
    sys.stdout.write("\n" + json.dumps({"losses": losses}) + "\n")


def encoded(diffusers: Any, folder: Path, photo: Path) -> Any:
    """The photo's latents, 1 x 4 x 8 x 8 float32, scaled as the demo model was trained."""
    import numpy as np
    import torch
    from PIL import Image

    pixels = np.asarray(Image.open(photo).convert("RGB").resize((64, 64)), dtype="float32") / 127.5 - 1
    vae = loaded(diffusers.AutoencoderKL, folder)
    with torch.no_grad():
        latents = vae.encode(torch.from_numpy(pixels.transpose(2, 0, 1)[None])).latent_dist.sample()
    return latents * settings(folder)["scaling_factor"]


def conditioned(folder: Path) -> Any:
    """The prompt's hidden states, 1 x 77 x width float32."""
    import torch
    from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

    names = folder / "tokenizer"
    tokenizer = CLIPTokenizer(str(names / "vocab.json"), str(names / "merges.txt"))
    ids = tokenizer(PROMPT, padding="max_length", max_length=77, truncation=True, return_tensors="pt").input_ids
    encoder: Any = CLIPTextModel(CLIPTextConfig(**settings(folder / "text_encoder")))
    fill(encoder, weights(folder / "text_encoder"))
    with torch.no_grad():
        return encoder(ids)[0]


def loaded(kind: Any, folder: Path) -> Any:
    """A diffusers model from today's folder: the settings that this version knows, the weights under its names."""
    known = inspect.signature(kind.__init__).parameters
    model = kind(**{name: item for name, item in settings(folder).items() if name in known})
    found = weights(folder)
    if not set(found) <= set(model.state_dict()):
        for new, old in OLD_NAMES:
            found = {name.replace(f".{new}.", f".{old}."): item for name, item in found.items()}
    fill(model, found)
    return model


def fill(model: Any, found: Dict[str, Any]) -> None:
    """Every weight must have its place; buffers that the old version also stores keep their values."""
    missing, unexpected = model.load_state_dict(found, strict=False)
    wrong = [*unexpected, *(name for name in missing if not name.endswith("position_ids"))]
    if wrong:
        sys.exit(f"the demo model does not fit {type(model).__name__}: {wrong[:5]}")


def settings(folder: Path) -> Dict[str, Any]:
    """A part's config.json."""
    found: Dict[str, Any] = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    return found


def weights(folder: Path) -> Dict[str, Any]:
    """The tensors of a part's one safetensors file, float32; the format is a length, a JSON head and raw numbers."""
    import torch

    data = next(folder.glob("*.safetensors")).read_bytes()
    start = 8 + int.from_bytes(data[:8], "little")
    kinds = {"F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16}
    found = {}
    for name, entry in json.loads(data[8:start]).items():
        if name != "__metadata__":
            begin, end = (start + offset for offset in entry["data_offsets"])
            flat = torch.frombuffer(bytearray(data[begin:end]), dtype=kinds[entry["dtype"]])
            found[name] = flat.reshape(entry["shape"]).float()
    return found


main()
