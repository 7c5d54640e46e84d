"""What is asked: one training run's settings, as far as memory depends on them."""

from __future__ import annotations

from dataclasses import dataclass

from dreamboot_trainer.config import Config


@dataclass(frozen=True, kw_only=True, slots=True)
class Request:
    """One step. `resolution` in pixels; `samples`: pictures that the network sees at once, class images included.

    `base`: auto (the precision's format) or a key of networks.FOUR_BITS. `targets`: layers with an adapter, where they
    are not the family's; `words`: the prompt's length for a transformer, where it is not the family's. `cached`: the
    photos' latents are, so that VAE and frozen text encoders are not on the device.

    The moments around the steps are asked for by `around` (prompts are read, photos are encoded), `class_images` and
    `pictures` (drawn at once, each twice where `guided`); left out, the step alone is predicted.
    """

    family: str
    method: str = "full"
    resolution: int = 512
    samples: int = 2
    accumulation: int = 1
    mixed_precision: str = "fp16"
    checkpointing: bool = False
    optimizer: str = "adamw"
    implementation: str = "auto"
    text_encoder: bool = False
    attention: str = "sdpa"
    ema: bool = False
    rank: int = 4
    dora: bool = False
    dropout: float = 0.0
    cached: bool = True
    base: str = "auto"
    targets: tuple[str, ...] = ()
    words: int = 0
    processes: int = 1
    around: bool = False
    class_images: int = 0
    pictures: int = 0
    guided: bool = True


def request_of(config: Config, family: str, *, precision: str = "fp16") -> Request:
    """The request of a training configuration; `precision` stands for mixed_precision = "auto".

    The text encoder's own learning rate and number of steps change nothing: its gradients are computed all the same,
    and its states stay.
    """
    training, prior, lora = config.training, config.prior, config.lora
    adapter = training.method == "lora"
    return Request(
        family=family,
        method=training.method,
        resolution=config.data.resolution,
        samples=training.train_batch_size * (2 if prior.with_prior_preservation else 1),
        accumulation=training.gradient_accumulation_steps,
        mixed_precision=precision if training.mixed_precision == "auto" else training.mixed_precision,
        checkpointing=training.gradient_checkpointing,
        optimizer=config.optimizer.optimizer,
        implementation=config.optimizer.optimizer_implementation,
        text_encoder=training.train_text_encoder,
        attention="naive" if training.attention == "naive" else "sdpa",
        ema=training.use_ema,
        rank=lora.lora_rank,
        dora=adapter and lora.use_dora,
        dropout=lora.lora_dropout if adapter else 0.0,
        cached=config.data.cache_latents,
        base=lora.base_precision if adapter else "auto",
        processes=max(1, training.num_processes) if training.sharding == "none" else 1,
        around=True,
        class_images=min(prior.sample_batch_size, prior.num_class_images) if prior.with_prior_preservation else 0,
        pictures=config.sampling.num_validation_images,
        guided=max(config.sampling.guidance_scale, prior.class_guidance_scale) > 1,
    )
