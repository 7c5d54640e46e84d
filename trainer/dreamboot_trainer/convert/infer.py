"""A model's configs from the shapes in its original-layout file, for whatever depth and width it has."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from itertools import count
from pathlib import Path
from typing import Any

Shapes = Mapping[str, tuple[int, ...]]
Settings = dict[str, Any]

_HEAD = 64
"""Channels of an attention head in SD 2.x, SDXL and every CLIP; SD 1.x has 8 heads at every width instead."""


@cache
def _published_text(family: str) -> str:
    return (Path(__file__).parent / "data" / f"{family}.json").read_text(encoding="utf-8")


def published(family: str) -> dict[str, Settings]:
    """The configs of the family's published model, by folder, with model_index and scheduler (see data/)."""
    configs: dict[str, Settings] = json.loads(_published_text(family))
    return configs


def unet(shapes: Shapes, family: str) -> Settings:
    """The UNet's config. `shapes`: of the tensors under model.diffusion_model., without that prefix."""
    base = published(family)["unet"]
    levels = list(_levels(shapes))
    widths = [level.width for level in levels]
    depths = [level.depth for level in levels]
    depths[-1] = _depth(shapes, "middle_block.1")
    attends = [level.attends for level in levels]
    found: Settings = {
        "in_channels": shapes["input_blocks.0.0.weight"][1],
        "out_channels": shapes["out.2.weight"][0],
        "block_out_channels": widths,
        "layers_per_block": _one_or_all([level.layers for level in levels]),
        "down_block_types": ["CrossAttnDownBlock2D" if attend else "DownBlock2D" for attend in attends],
        "up_block_types": ["CrossAttnUpBlock2D" if attend else "UpBlock2D" for attend in reversed(attends)],
        "cross_attention_dim": shapes["middle_block.1.transformer_blocks.0.attn2.to_k.weight"][1],
        "norm_num_groups": _groups(widths),
    }
    linear = len(shapes["middle_block.1.proj_in.weight"]) == 2
    if depths != [1] * len(depths) or "transformer_layers_per_block" in base:
        found["transformer_layers_per_block"] = depths
    if linear or "use_linear_projection" in base:
        found["use_linear_projection"] = linear
    if widths != base["block_out_channels"] and isinstance(base["attention_head_dim"], list):
        found["attention_head_dim"] = [max(1, width // _HEAD) for width in widths]
    if "label_emb.0.0.weight" in shapes:
        found["projection_class_embeddings_input_dim"] = shapes["label_emb.0.0.weight"][1]
    return {**base, **found}


def vae(shapes: Shapes, family: str) -> Settings:
    """The autoencoder's config. `shapes`: of the tensors under first_stage_model., without that prefix."""
    names = _present(shapes, "encoder.down.{}.block.0.conv1.weight")
    widths = [shapes[name][0] for name in names]
    layers = len(_present(shapes, "encoder.down.0.block.{}.conv1.weight"))
    found: Settings = {
        "block_out_channels": widths,
        "down_block_types": ["DownEncoderBlock2D"] * len(widths),
        "up_block_types": ["UpDecoderBlock2D"] * len(widths),
        "layers_per_block": layers,
        "in_channels": shapes["encoder.conv_in.weight"][1],
        "out_channels": shapes["decoder.conv_out.weight"][0],
        "latent_channels": shapes["decoder.conv_in.weight"][1],
        "norm_num_groups": _groups(widths),
    }
    for key, name in (
        ("mid_block_add_attention", "encoder.mid.attn_1.norm.weight"),
        ("use_quant_conv", "quant_conv.weight"),
        ("use_post_quant_conv", "post_quant_conv.weight"),
    ):
        if name not in shapes:
            found[key] = False
    return {**published(family)["vae"], **found}


def clip_text(shapes: Shapes, family: str) -> Settings:
    """The config of a text encoder with transformers' names, which begin with `text_model.` here."""
    width = shapes["text_model.final_layer_norm.weight"][0]
    return _text(
        published(family)["text_encoder"],
        width,
        vocab_size=shapes["text_model.embeddings.token_embedding.weight"][0],
        max_position_embeddings=shapes["text_model.embeddings.position_embedding.weight"][0],
        intermediate_size=shapes["text_model.encoder.layers.0.mlp.fc1.weight"][0],
        num_hidden_layers=len(_present(shapes, "text_model.encoder.layers.{}.mlp.fc1.weight")),
    )


def openclip_text(shapes: Shapes, family: str, folder: str, unused_blocks: int) -> Settings:
    """The config of a text encoder with OpenCLIP's names. SD 2.x leaves out the last `unused_blocks` = 1."""
    width = shapes["ln_final.weight"][0]
    found = _text(
        published(family)[folder],
        width,
        vocab_size=shapes["token_embedding.weight"][0],
        max_position_embeddings=shapes["positional_embedding"][0],
        intermediate_size=shapes["transformer.resblocks.0.mlp.c_fc.weight"][0],
        num_hidden_layers=len(_present(shapes, "transformer.resblocks.{}.mlp.c_fc.weight")) - unused_blocks,
    )
    if unused_blocks == 0:
        found["projection_dim"] = shapes["text_projection"][1]
    return found


@dataclass(frozen=True)
class _Level:
    """One resolution of the UNet's way down."""

    width: int
    layers: int
    attends: bool
    depth: int


def _levels(shapes: Shapes) -> Iterator[_Level]:
    """The way down, split at its downsampling layers."""
    members: list[str] = []
    for index in count(1):
        name = f"input_blocks.{index}"
        if f"{name}.0.in_layers.2.weight" in shapes:
            members.append(name)
            continue
        if members:
            depth = _depth(shapes, f"{members[0]}.1")
            width = shapes[f"{members[0]}.0.in_layers.2.weight"][0]
            yield _Level(width, len(members), attends=depth > 0, depth=max(1, depth))
        if f"{name}.0.op.weight" not in shapes:
            return
        members = []


def _depth(shapes: Shapes, name: str) -> int:
    return len(_present(shapes, name + ".transformer_blocks.{}.norm1.weight"))


def _present(shapes: Shapes, pattern: str) -> list[str]:
    """The names that `pattern` gives for 0, 1, 2 ... as long as they exist."""
    names: list[str] = []
    while (name := pattern.format(len(names))) in shapes:
        names.append(name)
    return names


def _text(base: Settings, width: int, **found: int) -> Settings:
    heads = base["num_attention_heads"] if width == base["hidden_size"] else max(1, width // _HEAD)
    return {**base, "hidden_size": width, "num_attention_heads": heads, **found}


def _one_or_all(numbers: list[int]) -> int | list[int]:
    return numbers[0] if len(set(numbers)) == 1 else numbers


def _groups(widths: list[int]) -> int:
    """The published 32 groups, or for narrower models the largest power of two that divides every width."""
    return next(groups for groups in (32, 16, 8, 4, 2, 1) if all(width % groups == 0 for width in widths))
