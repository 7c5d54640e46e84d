"""Names and shapes of the CLIP text encoder as SD 1.x and SDXL's first encoder hold it."""

from __future__ import annotations

from collections.abc import Iterator

from dreamboot_trainer.convert.config import Config, integer
from dreamboot_trainer.convert.pairs import Pair, same

ROOT = "text_model."
POSITION_IDS = "text_model.embeddings.position_ids"
# What transformers 5 saves at the top level where transformers 4 and every published folder have it below text_model.
_PARTS = ("embeddings.", "encoder.", "final_layer_norm.")


def pairs(config: Config) -> tuple[Pair, ...]:
    """Every weight of the encoder with this config.json, without the original's prefix (which ends in `transformer.`).

    Both sides use the names of transformers' CLIPTextModel; only the prefix differs.
    """
    return tuple(same(name, name, *shape) for name, shape in _weights(config))


def canonical(name: str) -> str:
    """The name with `text_model.` in front, which transformers 5 leaves out in memory and in folders built from it.

    Published SD 1.x folders and files have the prefix; early SD 1.x files (and NovelAI's) do not.
    """
    return ROOT + name if name.startswith(_PARTS) else name


def encoder_weights(config: Config) -> tuple[int, int, int, int]:
    """Vocabulary, width, feed-forward width and positions of the encoder."""
    return (
        integer(config, "vocab_size", 49408),
        integer(config, "hidden_size"),
        integer(config, "intermediate_size"),
        integer(config, "max_position_embeddings", 77),
    )


def _weights(config: Config) -> Iterator[tuple[str, tuple[int, ...]]]:
    vocabulary, width, inner, positions = encoder_weights(config)
    yield "text_model.embeddings.token_embedding.weight", (vocabulary, width)
    yield "text_model.embeddings.position_embedding.weight", (positions, width)
    for layer in range(integer(config, "num_hidden_layers")):
        block = f"text_model.encoder.layers.{layer}"
        layers = {f"self_attn.{part}_proj": (width, width) for part in "qkv"}
        layers |= {"self_attn.out_proj": (width, width), "mlp.fc1": (inner, width), "mlp.fc2": (width, inner)}
        for name, shape in layers.items():
            yield f"{block}.{name}.weight", shape
            yield f"{block}.{name}.bias", shape[:1]
        for name in ("layer_norm1", "layer_norm2"):
            yield f"{block}.{name}.weight", (width,)
            yield f"{block}.{name}.bias", (width,)
    yield "text_model.final_layer_norm.weight", (width,)
    yield "text_model.final_layer_norm.bias", (width,)
