"""Writes the trained networks as a diffusers folder with SD 1.x's layout, in float16."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dreamboot_trainer.demo.pretrain import text_to_image, tokenizer

CARD = Path(__file__).with_name("model_card.md")


@dataclass(frozen=True)
class Parts:
    """The trained networks. `factor`: what the VAE's latents are multiplied with to have unit variance."""

    vae: Any
    factor: float
    unet: Any
    text_encoder: Any


def write(folder: Path, parts: Parts, merge_list: Path) -> None:
    """Write the model to `folder`. `merge_list`: see `tokenizer.write`."""
    from safetensors.torch import save_file

    parts.vae.register_to_config(scaling_factor=round(parts.factor, 5))
    parts.vae.save_config(folder / "vae")
    parts.unet.save_config(folder / "unet")
    # transformers loads in the file's own dtype unless the config names one; half precision would not fit the UNet's.
    parts.text_encoder.config.dtype = "float32"
    parts.text_encoder.config.save_pretrained(folder / "text_encoder")
    save_file(_half(parts.vae), folder / "vae" / "diffusion_pytorch_model.safetensors", {"format": "pt"})
    save_file(_half(parts.unet), folder / "unet" / "diffusion_pytorch_model.safetensors", {"format": "pt"})
    # transformers 5 names the tensors without "text_model."; every SD 1.x folder has the prefix, and both load.
    text = {f"text_model.{name.removeprefix('text_model.')}": half for name, half in _half(parts.text_encoder).items()}
    save_file(text, folder / "text_encoder" / "model.safetensors", {"format": "pt"})
    for file in folder.rglob("*.safetensors"):
        file.chmod(0o644)
    tokenizer.write(merge_list, folder / "tokenizer")
    _json(folder / "scheduler" / "scheduler_config.json", {"_class_name": "PNDMScheduler", **_schedule()})
    _json(folder / "model_index.json", _index())
    shutil.copyfile(CARD, folder / "MODEL_CARD.md")


def read(folder: Path, work: Path) -> None:
    """The other way round: the weights of the model at `folder`, in float32, as what the stages keep in `work`."""
    import torch
    from safetensors.torch import load_file

    def weights(part: str, file: str) -> dict[str, Any]:
        return {name: tensor.float() for name, tensor in load_file(folder / part / file).items()}

    text = weights("text_encoder", "model.safetensors")
    torch.save({name.removeprefix("text_model."): tensor for name, tensor in text.items()}, work / "text_encoder.pt")
    torch.save(weights("vae", "diffusion_pytorch_model.safetensors"), work / "vae.pt")
    text_to_image.start(weights("unet", "diffusion_pytorch_model.safetensors"), work / "text_to_image.pt")


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
