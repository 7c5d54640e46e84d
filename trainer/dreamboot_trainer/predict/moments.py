"""What a run holds around its steps: prompts are read, photos encoded, class images and samples drawn."""

from __future__ import annotations

from typing import Any

import torch

from dreamboot_trainer.predict.loaded import DTYPES, Loaded, is_away, put_away

PROMPTS, PHOTOS, CLASS_IMAGES, SAMPLES = "prompts", "photos", "class images", "samples"


def before(loaded: Loaded) -> None:
    """The moments before the first step, as far as they are asked for (stages/cache.py, class_images.py).

    Text encoders wait in main memory while there are pixels on the device (Pipeline.without_words).
    """
    request, recorder = loaded.request, loaded.recorder
    if not (request.around or request.class_images):
        return
    loaded.place(loaded.vae)
    if request.around and loaded.large:
        loaded.place(*loaded.encoders.values())
        with recorder.moment(PROMPTS):
            read(loaded)
        put_away(*loaded.encoders.values())
    loaded.place(loaded.denoiser)
    if request.class_images:
        with recorder.moment(CLASS_IMAGES):
            draw(loaded, request.class_images)
    if request.around:
        with recorder.moment(PHOTOS):
            encode(loaded)
    put_away(loaded.vae)


def after(loaded: Loaded, trained: list[Any]) -> None:
    """Samples between two steps: with an average, the weights that it stands in for are kept beside.

    The prompts are read first, with every text encoder but T5 on the device.
    """
    if not loaded.request.pictures:
        return
    away = [module for module in (loaded.vae, *loaded.encoders.values()) if is_away(module)]
    frozen = [] if loaded.request.text_encoder else list(loaded.encoders.values())
    with loaded.recorder.moment(SAMPLES):
        with loaded.recorder.labelled("average of the weights"):
            kept = [torch.empty_like(weight) for weight in trained] if loaded.request.ema else []
        loaded.place(loaded.vae, *loaded.encoders.values())
        put_away(*frozen)
        draw(loaded, loaded.request.pictures)
        loaded.place(*frozen)
        del kept
    put_away(*away)


@torch.no_grad()
def read(loaded: Loaded) -> None:
    """The large text encoders read the prompts in the denoiser's place (Pipeline.settled)."""
    loaded.place(*loaded.large.values())
    for encoder in loaded.large.values():
        encoder(torch.zeros(min(loaded.request.samples, 2), loaded.words, dtype=torch.int64))
    put_away(*loaded.large.values())


@torch.no_grad()
def encode(loaded: Loaded) -> None:
    """One photo through the VAE."""
    side = loaded.request.resolution
    loaded.family.latents.encode(loaded.vae, torch.randn(1, 3, side, side))


@torch.no_grad()
def draw(loaded: Loaded, pictures: int) -> None:
    """Pictures drawn at once, then decoded one by one (Pipeline.generate)."""
    request, family = loaded.request, loaded.family
    rows = pictures * (2 if request.guided and family.guided_twice else 1)
    channels, height, width = loaded.latents
    loaded.denoiser.eval()
    enabled = request.mixed_precision != "no"
    noisy, text = torch.randn(rows, channels, height, width), loaded.text(rows)
    times = torch.rand(rows) if family.flow else torch.zeros(rows, dtype=torch.int64)
    with torch.autocast("cpu", DTYPES[request.mixed_precision] if enabled else torch.bfloat16, enabled=enabled):
        answer = family.denoise.predict(loaded.denoiser, noisy, times, text, torch.zeros(rows, 6), 1.0)
    latents = torch.randn(pictures, loaded.configs["vae"].get("latent_channels", 4), height, width)
    del answer, noisy, text
    family.latents.decode(loaded.vae, latents[:1])
    loaded.denoiser.train()
