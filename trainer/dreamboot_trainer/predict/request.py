"""What is asked: one training step's settings, as far as memory depends on them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from dreamboot_trainer.config import Config

OPTIMIZER_BYTES: Mapping[str, float] = {
    # Bytes of state per trained weight: two moments of 4 or 1 bytes; one for Lion; Prodigy keeps the start and a sum
    # beside (prodigyopt 1.1); AdEMAMix three (bitsandbytes). Paged states live in the host's memory. 8-bit states
    # have one fp32 scale per 256 weights and moment (bitsandbytes 0.50, blockwise quantization).
    "adamw": 8.0, "adamw8bit": 2.0 + 2 * 4 / 256, "paged_adamw": 0.0, "paged_adamw8bit": 0.0,
    "ademamix8bit": 3.0 + 3 * 4 / 256, "lion": 4.0, "lion8bit": 1.0 + 4 / 256, "paged_lion8bit": 0.0,
    "adafactor": 0.0, "prodigy": 16.0, "sgd": 0.0,
}  # fmt: skip
SMALL_TENSOR = 4096
"""Below so many weights bitsandbytes keeps a tensor's states in fp32 (`min_8bit_size`)."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Request:
    """One step. `resolution` in pixels; `samples`: pictures that the network sees at once, class images included.

    `base`: auto (the precision's format) or a key of networks.FOUR_BITS. `targets`: layers with an adapter, where they
    are not the family's; `words`: the prompt's length for a transformer, where it is not the family's.
    """

    family: str
    method: str = "full"
    resolution: int = 512
    samples: int = 2
    accumulation: int = 1
    mixed_precision: str = "fp16"
    checkpointing: bool = False
    optimizer: str = "adamw"
    text_encoder: bool = False
    attention: str = "sdpa"
    ema: bool = False
    rank: int = 4
    cached: bool = True
    base: str = "auto"
    targets: tuple[str, ...] = ()
    words: int = 0


def request_of(config: Config, family: str, *, precision: str = "fp16") -> Request:
    """The request of a training configuration; `precision` stands for mixed_precision = "auto"."""
    training = config.training
    double = 2 if config.prior.with_prior_preservation else 1
    return Request(
        family=family,
        method=training.method,
        resolution=config.data.resolution,
        samples=training.train_batch_size * double,
        accumulation=training.gradient_accumulation_steps,
        mixed_precision=precision if training.mixed_precision == "auto" else training.mixed_precision,
        checkpointing=training.gradient_checkpointing,
        optimizer=config.optimizer.optimizer,
        text_encoder=training.train_text_encoder,
        attention="naive" if training.attention == "naive" else "sdpa",
        ema=training.use_ema,
        rank=config.lora.lora_rank,
        cached=config.data.cache_latents,
        base=config.lora.base_precision if training.method == "lora" else "auto",
    )
