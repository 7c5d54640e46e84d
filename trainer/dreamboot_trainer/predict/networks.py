"""The networks of a step, built from their configs on tensors without contents: plain, with adapters, in 4 bits."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.nn import functional

Settings = Mapping[str, Any]
BLOCK, NESTED = 64, 256
FOUR_BITS = ("nf4", "nf4-plain")
"""Half a byte per weight, and a scale for 64 weights: which is 8 bits and one fp32 for 256 scales ("double
quantization", QLoRA section 3, what training here uses), or plainly fp32."""


def denoiser(configs: Mapping[str, Settings], name: str, dtype: Any, base: str) -> Any:
    """The UNet or transformer of a family, by its folder's name and the class that the config says, on no device.

    `base`: in 4 bits where it is a key of FOUR_BITS. As a network is read from its files in main memory, what its
    making needs, or its weights before they are packed, is never on the card.
    """
    import diffusers

    config = dict(configs[name])
    make = getattr(diffusers, str(config.get("_class_name") or "UNet2DConditionModel"))
    with default(dtype), torch.device("meta"):
        # A table of positions is made in fp32 and read in `dtype`. diffusers' own `to` warns where nothing is amiss.
        network = nn.Module.to(make.from_config(config), dtype=dtype)
        if base in FOUR_BITS:
            _to_four_bits(network, base, dtype)
    return network


def vae(config: Settings) -> Any:
    """The autoencoder, frozen, on no device. It is always in fp32: SDXL's overflows in fp16."""
    from diffusers import AutoencoderKL

    with default(torch.float32), torch.device("meta"):
        return AutoencoderKL.from_config(dict(config)).requires_grad_(requires_grad=False)  # type: ignore[no-untyped-call]


def text_encoder(kind: str, config: Settings, dtype: Any, base: str = "auto") -> Any:
    """A text encoder of transformers' class `kind`, frozen, on no device; in 4 bits where `base` says so."""
    import transformers

    make = getattr(transformers, kind)
    told = {key: item for key, item in config.items() if key not in ("architectures", "model_type")}
    with default(dtype), torch.device("meta"):
        encoder = make(make.config_class(**told))
        if base in FOUR_BITS:
            _to_four_bits(encoder, base, dtype)
    return encoder.requires_grad_(requires_grad=False)


@dataclass(frozen=True, kw_only=True, slots=True)
class Adapter:
    """Settings of an adapter: `dora` also trains the size of each output (Liu et al. 2024)."""

    rank: int
    dora: bool = False
    dropout: float = 0.0


def adapt(network: Any, adapter: Adapter, targets: tuple[str, ...]) -> None:
    """Freeze the network, and put adapters beside the layers whose names end in one of `targets`, as peft does."""
    network.requires_grad_(requires_grad=False)
    for name, layer in list(network.named_modules()):
        if isinstance(layer, nn.Linear | FourBit) and name.endswith(tuple(f".{target}" for target in targets)):
            parent, _, own = name.rpartition(".")
            setattr(network.get_submodule(parent), own, Adapted(layer, adapter))


def _to_four_bits(network: Any, base: str, compute: Any) -> None:
    """The linear layers inside the blocks in 4 bits: those that quantize.py takes."""
    kept = getattr(network, "_keep_in_fp32_modules", None) or ()
    for name, layer in list(network.named_modules()):
        parent, _, own = name.rpartition(".")
        if type(layer) is nn.Linear and "block" in name and own not in kept:
            setattr(network.get_submodule(parent), own, FourBit(layer, base, compute))


class Adapted(nn.Module):
    """A frozen linear layer with a low-rank one beside it, as peft 0.21 computes it (Hu et al. 2021)."""

    def __init__(self, base: Any, adapter: Adapter) -> None:
        super().__init__()
        self.base = base
        with default(torch.float32):
            self.down = nn.Linear(base.in_features, adapter.rank, bias=False)
            self.up = nn.Linear(adapter.rank, base.out_features, bias=False)
            self.size = nn.Parameter(torch.empty(base.out_features)) if adapter.dora else None
        self.dropout = nn.Dropout(adapter.dropout) if adapter.dropout else nn.Identity()

    def forward(self, hidden: Any, *_: Any) -> Any:
        """`hidden`: (..., in_features)."""
        plain = self.base(hidden)
        taken = self.dropout(hidden.to(self.down.weight.dtype))
        if self.size is None:
            return plain + self.up(self.down(taken)) * 1.0
        return plain + self._sized(taken, plain)

    def _sized(self, hidden: Any, plain: Any) -> Any:
        """What peft's DoRA adds: it unfolds the adapter, and takes the norms of the layer that they make together."""
        eye = torch.eye(self.down.in_features, dtype=self.down.weight.dtype)
        change = self.up(self.down(eye)).T.to(hidden.dtype).detach()
        weight = self.base.weight.to(hidden.dtype)
        norm = torch.linalg.norm(weight + 1.0 * change, dim=1).detach()
        del change
        scale = (self.size / norm).view(1, -1)
        low = self.up(self.down(hidden))
        if not isinstance(self.dropout, nn.Identity):
            plain = functional.linear(hidden, weight)
        elif self.base.bias is not None:
            plain = plain - self.base.bias
        return (scale - 1) * plain + scale * low * 1.0


class FourBit(nn.Module):
    """bitsandbytes' Linear4bit: its weights are unpacked for each product, forwards and backwards, and kept by none."""

    def __init__(self, layer: nn.Linear, base: str, compute: Any) -> None:
        super().__init__()
        self.in_features, self.out_features, self.compute = layer.in_features, layer.out_features, compute
        scales = -(-layer.weight.numel() // BLOCK)
        sizes = {"packed": -(-layer.weight.numel() // 2), "scales": scales if base == "nf4" else 4 * scales}
        if base == "nf4":
            sizes["nested"] = 4 * -(-scales // NESTED)
        for name, size in sizes.items():
            self.register_buffer(name, torch.empty(size, dtype=torch.uint8))
        self.bias = layer.bias

    @property
    def weight(self) -> Any:
        """The weight unpacked, for whoever asks for it."""
        return torch.empty((self.out_features, self.in_features), dtype=self.compute)

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
