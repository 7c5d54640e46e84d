"""Writes the trained networks as a diffusers folder with SD 1.x's layout, in float16."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

from dreamboot_trainer.demo.pretrain import text_to_image, tokenizer

CARD = Path(__file__).with_name("model_card.md")


def write(folder: Path, vae: Any, factor: float, net: text_to_image.Net, merge_list: Path) -> None:
    """Write the model to `folder`, with the running averages of UNet and text encoder as its weights.

    `factor`: the VAE's scaling factor. `merge_list`: see `tokenizer.write`.
    """
    from safetensors.torch import save_file

    net.swap()
    vae.register_to_config(scaling_factor=round(factor, 5))
    vae.save_config(folder / "vae")
    net.unet.save_config(folder / "unet")
    net.text_encoder.config.save_pretrained(folder / "text_encoder")
    save_file(_half(vae), folder / "vae" / "diffusion_pytorch_model.safetensors", {"format": "pt"})
    save_file(_half(net.unet), folder / "unet" / "diffusion_pytorch_model.safetensors", {"format": "pt"})
    # transformers 5 names the tensors without "text_model."; every SD 1.x folder has the prefix, and both load.
    text = {f"text_model.{name.removeprefix('text_model.')}": half for name, half in _half(net.text_encoder).items()}
    save_file(text, folder / "text_encoder" / "model.safetensors", {"format": "pt"})
    net.swap()
    tokenizer.write(merge_list, folder / "tokenizer")
    _json(folder / "scheduler" / "scheduler_config.json", {"_class_name": "PNDMScheduler", **_schedule()})
    _json(folder / "model_index.json", _index())
    shutil.copyfile(CARD, folder / "MODEL_CARD.md")


def _half(module: Any) -> dict[str, Any]:
    weights = module.state_dict().items()
    return {name: tensor.half().contiguous() for name, tensor in weights if tensor.is_floating_point()}


def _schedule() -> dict[str, Any]:
    return {"_diffusers_version": "0.42.1", "clip_sample": False, **text_to_image.scheduler_config()}


def _index() -> dict[str, Any]:
    return {
        "_class_name": "StableDiffusionPipeline",
        "_diffusers_version": "0.42.1",
        "feature_extractor": [None, None],
        "image_encoder": [None, None],
        "requires_safety_checker": False,
        "safety_checker": [None, None],
        "scheduler": ["diffusers", "PNDMScheduler"],
        "text_encoder": ["transformers", "CLIPTextModel"],
        "tokenizer": ["transformers", "CLIPTokenizer"],
        "unet": ["diffusers", "UNet2DConditionModel"],
        "vae": ["diffusers", "AutoencoderKL"],
    }


def _json(file: Path, value: dict[str, Any]) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(value, indent=2) + "\n", encoding="utf-8")
