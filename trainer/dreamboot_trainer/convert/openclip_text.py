"""Names and shapes of the OpenCLIP text encoder as SD 2.x and SDXL's second encoder hold it."""

from __future__ import annotations

from collections.abc import Iterator

from dreamboot_trainer.convert.clip_text import encoder_weights
from dreamboot_trainer.convert.config import Config, integer
from dreamboot_trainer.convert.pairs import Layout, Pair, affine, same

# OpenCLIP layer name -> transformers layer name, within one block.
_LAYERS = (("ln_1", "layer_norm1"), ("ln_2", "layer_norm2"), ("attn.out_proj", "self_attn.out_proj"))
_MLP = (("mlp.c_fc", "mlp.fc1"), ("mlp.c_proj", "mlp.fc2"))


def pairs(config: Config, *, projection: bool) -> tuple[Pair, ...]:
    """Every weight of the encoder with this config.json, without the original's prefix (which ends in `model.`).

    `projection`: whether the folder holds `text_projection.weight` (SDXL; SD 2.x has none). Source of the original
    names: `TextTransformer` of mlfoundations/open_clip.
    """
    return tuple(_weights(config, projection))


def block(there: str, here: str, width: int, inner: int) -> Iterator[Pair]:
    """One transformer block: OpenCLIP keeps query, key and value in one matrix, transformers in three."""
    parts = [f"{here}.self_attn.{part}_proj" for part in "qkv"]
    weights, biases = (tuple(f"{part}.{end}" for part in parts) for end in ("weight", "bias"))
    yield Pair(f"{there}.attn.in_proj_weight", weights, (width, width), Layout.STACKED)
    yield Pair(f"{there}.attn.in_proj_bias", biases, (width,), Layout.STACKED)
    for (original, diffusers), shape in zip(_LAYERS, ((width,), (width,), (width, width)), strict=True):
        yield from affine(f"{there}.{original}", f"{here}.{diffusers}", *shape)
    for (original, diffusers), shape in zip(_MLP, ((inner, width), (width, inner)), strict=True):
        yield from affine(f"{there}.{original}", f"{here}.{diffusers}", *shape)


def _weights(config: Config, projection: bool) -> Iterator[Pair]:
    vocabulary, width, inner, positions = encoder_weights(config)
    yield same("positional_embedding", "text_model.embeddings.position_embedding.weight", positions, width)
    yield same("token_embedding.weight", "text_model.embeddings.token_embedding.weight", vocabulary, width)
    for layer in range(integer(config, "num_hidden_layers")):
        here = f"text_model.encoder.layers.{layer}"
        yield from block(f"transformer.resblocks.{layer}", here, width, inner)
    yield from affine("ln_final", "text_model.final_layer_norm", width)
    if projection:
        out = integer(config, "projection_dim", width)
        yield Pair("text_projection", ("text_projection.weight",), (out, width), Layout.TRANSPOSED)
