"""Weights of SD 1.x from a diffusers folder."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
from diffusers.schedulers.scheduling_ddim import DDIMScheduler
from diffusers.schedulers.scheduling_ddpm import DDPMScheduler
from transformers.models.clip.modeling_clip import CLIPTextModel
from transformers.models.clip.tokenization_clip import CLIPTokenizer

from dreamboot_trainer.families import TextParts
from dreamboot_trainer.families.weights import clip_encoder, guarded, owned, variant_of
from dreamboot_trainer.model_folder import ModelFolder
from dreamboot_trainer.problems import TrainerError, mismatch

PREDICTIONS = ("epsilon", "v_prediction")
"""What a scheduler may say that the network answers: the noise, or the velocity."""


@dataclass(frozen=True, slots=True)
class NoiseSchedule:
    """The same noise levels twice: as training uses them and as sampling does."""

    train: Any
    sample: Any


def denoiser(folder: ModelFolder, dtype: torch.dtype) -> Any:
    """The UNet."""
    place = folder.part("unet")
    with guarded(place):
        return owned(UNet2DConditionModel.from_pretrained(place, torch_dtype=dtype, variant=variant_of(place)))


def vae(folder: Path, dtype: torch.dtype) -> Any:
    """The autoencoder in `folder`, frozen."""
    with guarded(folder):
        loaded = owned(AutoencoderKL.from_pretrained(folder, torch_dtype=dtype, variant=variant_of(folder)))
    return loaded.eval().requires_grad_(requires_grad=False)


def text(folder: ModelFolder, dtype: torch.dtype, _: torch.dtype = torch.float32) -> TextParts:
    """Tokenizer and text encoder, frozen."""
    place = folder.part("text_encoder")
    with guarded(place):
        tokenizer = CLIPTokenizer.from_pretrained(folder.part("tokenizer"))
        encoder = clip_encoder(CLIPTextModel, place, dtype)
    return TextParts((tokenizer,), (encoder,))


def noise_schedule(folder: ModelFolder) -> NoiseSchedule:
    """DDPM for training, DDIM for sampling, both with the folder's noise levels.

    Latents must never be clipped to -1..1, which DDIM does unless told otherwise.
    """
    config = dict(folder.config("scheduler"))
    with guarded(folder.part("scheduler")):
        schedule = NoiseSchedule(
            train=DDPMScheduler.from_config(config), sample=DDIMScheduler.from_config(config | {"clip_sample": False})
        )
    kind = schedule.train.config.prediction_type
    if kind not in PREDICTIONS:
        raise TrainerError(
            mismatch(
                "model-unknown-prediction",
                "The model's scheduler states a target that this trainer does not know.",
                f"prediction_type {' or '.join(PREDICTIONS)}",
                kind,
                "Correct prediction_type in the model's scheduler/scheduler_config.json.",
            )
        )
    return schedule
