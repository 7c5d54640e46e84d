"""Names and shapes of the UNet in both formats, derived from its config alone."""

from __future__ import annotations

from collections.abc import Iterator

from dreamboot_trainer.convert.config import Config, flag, integer, integers, refuse_unless_absent, texts
from dreamboot_trainer.convert.faults import unsupported_config
from dreamboot_trainer.convert.pairs import Pair, affine, same

# Parts of UNet2DConditionModel that SD 1.x, 2.x and SDXL do not have, and the original layout has no names for.
_ABSENT = (
    "only_cross_attention",
    "dual_cross_attention",
    "class_embed_type",
    "num_class_embeds",
    "encoder_hid_dim",
    "encoder_hid_dim_type",
    "time_cond_proj_dim",
    "time_embedding_dim",
    "time_embedding_act_fn",
    "reverse_transformer_layers_per_block",
)


def pairs(config: Config) -> tuple[Pair, ...]:
    """Every tensor of the UNet with this config.json, in the original's order, without the original's prefix.

    Source of the original names: `UNetModel` of Stability-AI/stablediffusion (ldm/modules/diffusionmodules/
    openaimodel.py); of the diffusers names: `UNet2DConditionModel`. Raises TrainerError for configs with other parts.
    """
    refuse_unless_absent(config, *_ABSENT)
    return tuple(_Unet(config).all())


class _Unet:
    """The numbers of one config, and the walk over its blocks."""

    def __init__(self, config: Config) -> None:
        self.widths = integers(config, "block_out_channels")
        levels = len(self.widths)
        self.layers = integers(config, "layers_per_block", levels, default=2)
        self.depths = integers(config, "transformer_layers_per_block", levels, default=1)
        self.context = integers(config, "cross_attention_dim", levels)
        self.attend_down = _attention(texts(config, "down_block_types"), "Down", levels)
        self.attend_up = _attention(texts(config, "up_block_types"), "Up", levels)
        self.linear = flag(config, "use_linear_projection", default=False)
        self.channels_in = integer(config, "in_channels")
        self.channels_out = integer(config, "out_channels")
        self.time = self.widths[0] * 4
        self.label = _label_width(config)
        if config.get("mid_block_type", "UNetMidBlock2DCrossAttn") != "UNetMidBlock2DCrossAttn":
            raise unsupported_config("mid_block_type", "UNetMidBlock2DCrossAttn", config.get("mid_block_type"))

    def all(self) -> Iterator[Pair]:
        """Time and label embedding, the way down, the middle, the way up, the end."""
        yield from affine("time_embed.0", "time_embedding.linear_1", self.time, self.widths[0])
        yield from affine("time_embed.2", "time_embedding.linear_2", self.time, self.time)
        if self.label is not None:
            yield from affine("label_emb.0.0", "add_embedding.linear_1", self.time, self.label)
            yield from affine("label_emb.0.2", "add_embedding.linear_2", self.time, self.time)
        yield from affine("input_blocks.0.0", "conv_in", self.widths[0], self.channels_in, 3, 3)
        skips = [self.widths[0]]
        yield from self._down(skips)
        yield from self._middle()
        yield from self._up(skips)
        yield from affine("out.0", "conv_norm_out", self.widths[0])
        yield from affine("out.2", "conv_out", self.channels_out, self.widths[0], 3, 3)

    def _down(self, skips: list[int]) -> Iterator[Pair]:
        """Fills `skips` with the widths that the way up concatenates."""
        block, width = 1, self.widths[0]
        for level, out in enumerate(self.widths):
            for layer in range(self.layers[level]):
                there, here = f"input_blocks.{block}", f"down_blocks.{level}"
                yield from self._resnet(f"{there}.0", f"{here}.resnets.{layer}", width, out)
                if self.attend_down[level]:
                    yield from self._transformer(f"{there}.1", f"{here}.attentions.{layer}", out, level)
                block, width = block + 1, out
                skips.append(width)
            if level < len(self.widths) - 1:
                name = f"down_blocks.{level}.downsamplers.0.conv"
                yield from affine(f"input_blocks.{block}.0.op", name, out, out, 3, 3)
                block += 1
                skips.append(width)

    def _middle(self) -> Iterator[Pair]:
        width, last = self.widths[-1], len(self.widths) - 1
        yield from self._resnet("middle_block.0", "mid_block.resnets.0", width, width)
        yield from self._transformer("middle_block.1", "mid_block.attentions.0", width, last)
        yield from self._resnet("middle_block.2", "mid_block.resnets.1", width, width)

    def _up(self, skips: list[int]) -> Iterator[Pair]:
        block, width, levels = 0, self.widths[-1], len(self.widths)
        for step in range(levels):
            level = levels - 1 - step
            out, attend = self.widths[level], self.attend_up[step]
            for layer in range(self.layers[level] + 1):
                there, here = f"output_blocks.{block}", f"up_blocks.{step}"
                yield from self._resnet(f"{there}.0", f"{here}.resnets.{layer}", width + skips.pop(), out)
                if attend:
                    yield from self._transformer(f"{there}.1", f"{here}.attentions.{layer}", out, level)
                block, width = block + 1, out
            if level > 0:
                there = f"output_blocks.{block - 1}.{2 if attend else 1}.conv"
                yield from affine(there, f"up_blocks.{step}.upsamplers.0.conv", out, out, 3, 3)

    def _resnet(self, there: str, here: str, width: int, out: int) -> Iterator[Pair]:
        yield from affine(f"{there}.in_layers.0", f"{here}.norm1", width)
        yield from affine(f"{there}.in_layers.2", f"{here}.conv1", out, width, 3, 3)
        yield from affine(f"{there}.emb_layers.1", f"{here}.time_emb_proj", out, self.time)
        yield from affine(f"{there}.out_layers.0", f"{here}.norm2", out)
        yield from affine(f"{there}.out_layers.3", f"{here}.conv2", out, out, 3, 3)
        if width != out:
            yield from affine(f"{there}.skip_connection", f"{here}.conv_shortcut", out, width, 1, 1)

    def _transformer(self, there: str, here: str, width: int, level: int) -> Iterator[Pair]:
        projection = (width, width) if self.linear else (width, width, 1, 1)
        yield from affine(f"{there}.norm", f"{here}.norm", width)
        yield from affine(f"{there}.proj_in", f"{here}.proj_in", *projection)
        for index in range(self.depths[level]):
            block = f"transformer_blocks.{index}"
            yield from _transformer_block(f"{there}.{block}", f"{here}.{block}", width, self.context[level])
        yield from affine(f"{there}.proj_out", f"{here}.proj_out", *projection)


def _transformer_block(there: str, here: str, width: int, context: int) -> Iterator[Pair]:
    """Self-attention, cross-attention over `context` wide text states, gated feed-forward of 4 x `width`."""
    for attention, source in (("attn1", width), ("attn2", context)):
        for part, size in (("to_q", width), ("to_k", source), ("to_v", source)):
            name = f"{attention}.{part}.weight"
            yield same(f"{there}.{name}", f"{here}.{name}", width, size)
        yield from affine(f"{there}.{attention}.to_out.0", f"{here}.{attention}.to_out.0", width, width)
    yield from affine(f"{there}.ff.net.0.proj", f"{here}.ff.net.0.proj", width * 8, width)
    yield from affine(f"{there}.ff.net.2", f"{here}.ff.net.2", width, width * 4)
    for norm in ("norm1", "norm2", "norm3"):
        yield from affine(f"{there}.{norm}", f"{here}.{norm}", width)


def _attention(types: tuple[str, ...], way: str, levels: int) -> tuple[bool, ...]:
    """Per block, whether it attends."""
    key, known = f"{way.lower()}_block_types", {f"CrossAttn{way}Block2D": True, f"{way}Block2D": False}
    if len(types) != levels or any(name not in known for name in types):
        raise unsupported_config(key, f"{levels} of {', '.join(known)}", list(types))
    return tuple(known[name] for name in types)


def _label_width(config: Config) -> int | None:
    """Width of SDXL's pooled text and size input; None where the UNet has none."""
    kind = config.get("addition_embed_type")
    if kind is None:
        return None
    if kind != "text_time":
        raise unsupported_config("addition_embed_type", "null or text_time", kind)
    return integer(config, "projection_class_embeddings_input_dim")
