"""Weights that stay as they are, in 4 bits: NF4 by bitsandbytes (Dettmers et al. 2023, arXiv 2305.14314)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dreamboot_trainer.problems import Problem, TrainerError

if TYPE_CHECKING:
    import torch

BLOCK = 64
"""Weights that share a scale (QLoRA, section 3). The scales themselves are held in 8 bits ("double quantization")."""
_WHERE = "block"
"""Layers whose names hold this are the transformer's; those before and after it are few, and stay as they are."""


def to_nf4(module: Any, device: torch.device, compute: torch.dtype) -> None:
    """Replace the linear layers inside the module's blocks by frozen ones of 4 bits, on the device, one by one.

    Arithmetic is in `compute`. Everything else stays in its format, and so do layers whose model says that they need
    a float's precision: T5 casts what goes into its `wo` to the format of that layer's weight.
    """
    import torch
    from bitsandbytes import nn

    layers: Any = nn
    kept = getattr(module, "_keep_in_fp32_modules", None) or ()
    for name, parent in list(module.named_modules()):
        for own, layer in list(parent.named_children()):
            if type(layer) is not torch.nn.Linear or own in kept or _WHERE not in f"{name}.{own}":
                continue
            small = layers.Linear4bit(
                layer.in_features,
                layer.out_features,
                bias=layer.bias is not None,
                compute_dtype=compute,
                compress_statistics=True,
                quant_type="nf4",
                device="meta",
            )
            small.weight = layers.Params4bit(
                layer.weight.data, requires_grad=False, quant_type="nf4", compress_statistics=True, blocksize=BLOCK,
                module=small,
            )  # fmt: skip
            if layer.bias is not None:
                small.bias = torch.nn.Parameter(layer.bias.data, requires_grad=False)
            # On CPUs with AVX512-BF16, bitsandbytes 0.50 repacks weights in place at the first call outside of
            # training, and has no gradient afterwards: samples during a run would end its learning.
            small.support_avx512bf16_for_cpu = False
            setattr(parent, own, small.to(device))
    # peft then takes its layer for 4-bit weights.
    module.is_loaded_in_4bit = True


def require_nf4(device: torch.device, compute: torch.dtype) -> None:
    """TrainerError where 4-bit layers do not work on the device: found by running one forwards and backwards."""
    import torch

    try:
        trial = torch.nn.ModuleDict({_WHERE: torch.nn.Linear(BLOCK, BLOCK)})
        to_nf4(trial, device, compute)
        inputs = torch.ones(2, BLOCK, device=device, dtype=compute, requires_grad=True)
        trial[_WHERE](inputs).sum().backward()
        found = "no gradient" if inputs.grad is None or not inputs.grad.isfinite().all() else ""
    except Exception as error:  # noqa: BLE001 - native code, and kernels that are missing, fail in many ways
        found = f"{type(error).__name__}: {error}"
    if found:
        raise TrainerError(
            Problem(
                id="nf4-not-available",
                what=f"Weights of 4 bits (base_precision = nf4) do not work on {device.type} here.",
                cause=f"Expected bitsandbytes with 4-bit kernels for this device; found {found.splitlines()[0]}.",
                hint="pip install --upgrade bitsandbytes, or: --set base_precision=auto",
            )
        )
