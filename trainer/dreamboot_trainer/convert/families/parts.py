"""The components that several families share."""

from __future__ import annotations

import math
import struct

from dreamboot_trainer.convert import clip_text, openclip_text, unet, vae
from dreamboot_trainer.convert.clip_text import encoder_weights
from dreamboot_trainer.convert.config import Config, integer
from dreamboot_trainer.convert.families.base import Component, Extra

UNET = Component("unet", "diffusion_pytorch_model", "model.diffusion_model.", unet.pairs, has_ema=True)
VAE = Component(
    "vae",
    "diffusion_pytorch_model",
    "first_stage_model.",
    vae.pairs,
    canonical_diffusers=vae.canonical_diffusers,
    canonical_original=vae.canonical_original,
)


def clip_encoder(prefix: str) -> Component:
    """CLIP ViT-L's text encoder, with transformers' own names below `prefix`."""

    def extras(config: Config) -> tuple[Extra, ...]:
        positions = integer(config, "max_position_embeddings", 77)
        return (
            Extra(
                prefix + clip_text.POSITION_IDS,
                (1, positions),
                "a constant buffer (0, 1, 2 ...) of older transformers; the published files have it as int64",
                dtype="I64",
                content=lambda: struct.pack(f"<{positions}q", *range(positions)),
                kept=False,
            ),
        )

    return Component(
        "text_encoder",
        "model",
        prefix,
        clip_text.pairs,
        canonical_diffusers=clip_text.canonical,
        canonical_original=clip_text.canonical,
        extras=extras,
    )


def logit_scale(prefix: str) -> Extra:
    """CLIP's contrastive temperature, which no image generator reads."""
    return Extra(
        prefix + "logit_scale",
        (),
        "CLIP's temperature, unused in image generation; ln(100) is the largest value that CLIP's training allows",
        content=lambda: struct.pack("<f", math.log(100.0)),
    )


def penultimate_extras(config: Config) -> tuple[Extra, ...]:
    """What SD 2.x's original text encoder has beyond the one in a diffusers folder.

    The original keeps OpenCLIP ViT-H's last block but reads the states before it; diffusers leaves the block out.
    """
    prefix, count = "cond_stage_model.model.", integer(config, "num_hidden_layers")
    _, width, inner, _ = encoder_weights(config)
    last, before = (f"{prefix}transformer.resblocks.{index}" for index in (count, count - 1))
    blocks = openclip_text.block(last, "", width, inner)
    found = [
        Extra(
            pair.original,
            pair.original_shape,
            "the last block of OpenCLIP ViT-H, which SD 2.x never runs; filled with the block before it",
            copy_of=pair.original.replace(last, before),
        )
        for pair in blocks
    ]
    identity = Extra(
        prefix + "text_projection",
        (width, width),
        "unused by SD 2.x, but loaders ask for it (huggingface/diffusers issue 1979); filled with the identity",
        content=lambda: _identity(width),
    )
    return (*found, identity, logit_scale(prefix))


def _identity(width: int) -> bytes:
    """The identity matrix [width, width] as float32."""
    one, row = struct.pack("<f", 1.0), bytes(4 * width)
    return b"".join(row[: 4 * i] + one + row[4 * (i + 1) :] for i in range(width))
