"""The networks of a step, built from their configs on tensors without contents: plain, with adapters, in 4 bits."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn
from torch.nn import functional

Settings = Mapping[str, Any]
FOUR_BITS: Mapping[str, float] = {"nf4": 0.5 + 1 / 64 + 4 / (64 * 256), "nf4-plain": 0.5 + 4 / 64}
"""Bytes per weight: half a byte, and a scale for 64 weights, which is 8 bits and one fp32 for 256 scales ("double
quantization", QLoRA section 3, what training here uses), or plainly fp32."""


def denoiser(configs: Mapping[str, Settings], name: str, dtype: Any, base: str) -> Any:
    """The UNet or transformer of a family, by its folder's name and the class that the config says.

    `base`: in 4 bits where it is a key of FOUR_BITS. Made on no device and then put onto one, as a network is read
    from its files in main memory: what its making needs, or its weights before they are packed, is never on the card.
    """
    import diffusers

    config = dict(configs[name])
    make = getattr(diffusers, str(config.get("_class_name") or "UNet2DConditionModel"))
    with default(dtype), torch.device("meta"):
        network = make.from_config(config)
        if base in FOUR_BITS:
            _to_four_bits(network, base, dtype)
    return network.to_empty(device="cpu")


def vae(config: Settings, dtype: Any) -> Any:
    """The autoencoder, frozen."""
    from diffusers import AutoencoderKL

    with default(dtype):
        return AutoencoderKL.from_config(dict(config)).requires_grad_(requires_grad=False)  # type: ignore[no-untyped-call]


def text_encoder(config: Settings, dtype: Any) -> Any:
    """A CLIP."""
    from transformers import CLIPTextConfig, CLIPTextModel

    with default(dtype):
        return CLIPTextModel(CLIPTextConfig(**{key: item for key, item in config.items() if key != "architectures"}))


def adapt(network: Any, rank: int, targets: tuple[str, ...]) -> None:
    """Freeze the network, and put adapters beside the layers whose names end in one of `targets`, as peft does."""
    network.requires_grad_(requires_grad=False)
    for name, layer in list(network.named_modules()):
        if isinstance(layer, nn.Linear | FourBit) and name.endswith(tuple(f".{target}" for target in targets)):
            parent, _, own = name.rpartition(".")
            setattr(network.get_submodule(parent), own, Adapted(layer, rank))


def _to_four_bits(network: Any, base: str, compute: Any) -> None:
    """The linear layers inside the blocks in 4 bits: those that quantize.py takes."""
    for name, layer in list(network.named_modules()):
        if type(layer) is nn.Linear and "block" in name:
            parent, _, own = name.rpartition(".")
            setattr(network.get_submodule(parent), own, FourBit(layer, FOUR_BITS[base], compute))


class Adapted(nn.Module):
    """A frozen linear layer with a low-rank one beside it, as peft computes it (Hu et al. 2021)."""

    def __init__(self, base: Any, rank: int) -> None:
        super().__init__()
        self.base = base
        with default(torch.float32):
            self.down = nn.Linear(base.in_features, rank, bias=False)
            self.up = nn.Linear(rank, base.out_features, bias=False)

    def forward(self, hidden: Any, *_: Any) -> Any:
        """`hidden`: (..., in_features)."""
        plain = self.base(hidden)
        return plain + self.up(self.down(hidden.to(self.down.weight.dtype)))


class FourBit(nn.Module):
    """bitsandbytes' Linear4bit: its weights are unpacked for each product, forwards and backwards, and kept by none."""

    def __init__(self, base: nn.Linear, bytes_per_weight: float, compute: Any) -> None:
        super().__init__()
        self.in_features, self.out_features, self.compute = base.in_features, base.out_features, compute
        self.register_buffer("packed", torch.empty(round(base.weight.numel() * bytes_per_weight), dtype=torch.uint8))
        self.bias = base.bias

    def forward(self, hidden: Any, *_: Any) -> Any:
        """`hidden`: (..., in_features); the answer has its format."""
        with torch.autocast("cpu", enabled=False):
            bias = None if self.bias is None else self.bias.to(self.compute)
            shape = (self.out_features, self.in_features)
            answer = _Unpacked.apply(hidden.to(self.compute), bias, shape)  # type: ignore[no-untyped-call]
            return answer.to(hidden.dtype)


class _Unpacked(torch.autograd.Function):
    """A linear layer whose weight exists only during the product."""

    @staticmethod
    def forward(ctx: Any, hidden: Any, bias: Any, shape: tuple[int, int]) -> Any:
        ctx.shape = shape
        return functional.linear(hidden, torch.empty(shape, dtype=hidden.dtype), bias)

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> Any:
        return gradients[0] @ torch.empty(ctx.shape, dtype=gradients[0].dtype), None, None


@contextmanager
def default(dtype: Any) -> Iterator[None]:
    """Inside, new tensors have this format."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        yield
    finally:
        torch.set_default_dtype(before)
