"""Names and shapes of the autoencoder (AutoencoderKL) in both formats, derived from its config alone."""

from __future__ import annotations

import re
from collections.abc import Iterator

from dreamboot_trainer.convert.config import Config, flag, integer, integers
from dreamboot_trainer.convert.faults import unsupported_config
from dreamboot_trainer.convert.pairs import Layout, Pair, affine

# Names of the same attention layers in diffusers folders written before diffusers 0.15, such as the published SD 1.5.
_OLD_DIFFUSERS = {"query": "to_q", "key": "to_k", "value": "to_v", "proj_attn": "to_out.0"}
# Newer names that found their way into original-layout files (huggingface/diffusers issue 8320).
_NEW_ORIGINAL = {"to_q": "q", "to_k": "k", "to_v": "v", "to_out.0": "proj_out", "group_norm": "norm"}
_OLD_NAME = re.compile(r"(\.attentions\.0\.)(query|key|value|proj_attn)(\.(?:weight|bias))$")
_NEW_NAME = re.compile(r"(\.mid\.attn_1\.)(to_q|to_k|to_v|to_out\.0|group_norm)(\.(?:weight|bias))$")


def pairs(config: Config) -> tuple[Pair, ...]:
    """Every tensor of the autoencoder with this config.json, without the original's prefix.

    Source of the original names: `Encoder` and `Decoder` of Stability-AI/stablediffusion (ldm/modules/diffusionmodules/
    model.py). Raises TrainerError for block types that the original layout does not have.
    """
    widths = integers(config, "block_out_channels")
    for key, kind in (("down_block_types", "DownEncoderBlock2D"), ("up_block_types", "UpDecoderBlock2D")):
        if config.get(key) != [kind] * len(widths):
            raise unsupported_config(key, f"{len(widths)} times {kind}", config.get(key))
    attend = flag(config, "mid_block_add_attention", default=True)
    layers, latent = integer(config, "layers_per_block", 1), integer(config, "latent_channels", 4)
    found: list[Pair] = []
    found += _encoder(widths, layers, integer(config, "in_channels", 3), latent, attend)
    found += _decoder(widths, layers, integer(config, "out_channels", 3), latent, attend)
    if flag(config, "use_quant_conv", default=True):
        found += affine("quant_conv", "quant_conv", latent * 2, latent * 2, 1, 1)
    if flag(config, "use_post_quant_conv", default=True):
        found += affine("post_quant_conv", "post_quant_conv", latent, latent, 1, 1)
    return tuple(found)


def canonical_diffusers(name: str) -> str:
    """Today's diffusers name for a name that a folder of any age may hold."""
    return _OLD_NAME.sub(lambda m: m[1] + _OLD_DIFFUSERS[m[2]] + m[3], name)


def canonical_original(name: str) -> str:
    """The published original name for a name that an original-layout file may hold."""
    return _NEW_NAME.sub(lambda m: m[1] + _NEW_ORIGINAL[m[2]] + m[3], name)


def _encoder(widths: tuple[int, ...], layers: int, channels: int, latent: int, attend: bool) -> Iterator[Pair]:
    yield from affine("encoder.conv_in", "encoder.conv_in", widths[0], channels, 3, 3)
    width = widths[0]
    for level, out in enumerate(widths):
        for layer in range(layers):
            here = f"encoder.down_blocks.{level}.resnets.{layer}"
            yield from _resnet(f"encoder.down.{level}.block.{layer}", here, width, out)
            width = out
        if level < len(widths) - 1:
            here = f"encoder.down_blocks.{level}.downsamplers.0.conv"
            yield from affine(f"encoder.down.{level}.downsample.conv", here, out, out, 3, 3)
    yield from _middle("encoder", widths[-1], attend)
    yield from affine("encoder.norm_out", "encoder.conv_norm_out", widths[-1])
    yield from affine("encoder.conv_out", "encoder.conv_out", latent * 2, widths[-1], 3, 3)


def _decoder(widths: tuple[int, ...], layers: int, channels: int, latent: int, attend: bool) -> Iterator[Pair]:
    yield from affine("decoder.conv_in", "decoder.conv_in", widths[-1], latent, 3, 3)
    yield from _middle("decoder", widths[-1], attend)
    width, levels = widths[-1], len(widths)
    for step in range(levels):
        level = levels - 1 - step  # the original counts its way up from the finest level, diffusers from the coarsest
        for layer in range(layers + 1):
            here = f"decoder.up_blocks.{step}.resnets.{layer}"
            yield from _resnet(f"decoder.up.{level}.block.{layer}", here, width, widths[level])
            width = widths[level]
        if level > 0:
            here = f"decoder.up_blocks.{step}.upsamplers.0.conv"
            yield from affine(f"decoder.up.{level}.upsample.conv", here, width, width, 3, 3)
    yield from affine("decoder.norm_out", "decoder.conv_norm_out", widths[0])
    yield from affine("decoder.conv_out", "decoder.conv_out", channels, widths[0], 3, 3)


def _middle(part: str, width: int, attend: bool) -> Iterator[Pair]:
    yield from _resnet(f"{part}.mid.block_1", f"{part}.mid_block.resnets.0", width, width)
    if attend:
        there, here = f"{part}.mid.attn_1", f"{part}.mid_block.attentions.0"
        yield from affine(f"{there}.norm", f"{here}.group_norm", width)
        for original, diffusers in (("q", "to_q"), ("k", "to_k"), ("v", "to_v"), ("proj_out", "to_out.0")):
            weight, bias = affine(f"{there}.{original}", f"{here}.{diffusers}", width, width)
            yield Pair(weight.original, weight.diffusers, weight.shape, Layout.CONV1X1)
            yield bias
    yield from _resnet(f"{part}.mid.block_2", f"{part}.mid_block.resnets.1", width, width)


def _resnet(there: str, here: str, width: int, out: int) -> Iterator[Pair]:
    yield from affine(f"{there}.norm1", f"{here}.norm1", width)
    yield from affine(f"{there}.conv1", f"{here}.conv1", out, width, 3, 3)
    yield from affine(f"{there}.norm2", f"{here}.norm2", out)
    yield from affine(f"{there}.conv2", f"{here}.conv2", out, out, 3, 3)
    if width != out:
        yield from affine(f"{there}.nin_shortcut", f"{here}.conv_shortcut", out, width, 1, 1)
