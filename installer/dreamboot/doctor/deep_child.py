"""Runs inside the examined Python, one test per process: prints one line of JSON. It may crash; that is its purpose."""

# Only the standard library and what the test names may be imported here, by any Python from 3.7 on.
# ruff: noqa: UP031 - the examined Python may be an old one

from __future__ import annotations

import importlib
import json
import sys
from typing import Any, Dict


def import_package(name: str) -> Dict[str, Any]:
    """The package's version."""
    module = importlib.import_module(name)
    return {"version": str(getattr(module, "__version__", ""))}


def devices(_unused: str) -> Dict[str, Any]:
    """Names of the GPUs that torch sees, by the way it addresses them."""
    torch = importlib.import_module("torch")
    found = {}
    if torch.cuda.is_available():
        for index in range(torch.cuda.device_count()):
            found["cuda:%d" % index] = torch.cuda.get_device_name(index)
    xpu = getattr(torch, "xpu", None)
    if xpu is not None and xpu.is_available():
        for index in range(xpu.device_count()):
            found["xpu:%d" % index] = xpu.get_device_name(index)
    mps = getattr(torch.backends, "mps", None)
    if mps is not None and mps.is_available():
        found["mps"] = "Apple GPU"
    return {"devices": found}


def matmul(argument: str) -> Dict[str, Any]:
    """A product in half precision on one device, against the same numbers in float64 on the CPU."""
    torch = importlib.import_module("torch")
    device, kind = argument.split("/")
    torch.manual_seed(0)
    left, right = torch.randn(128, 128, dtype=torch.float64), torch.randn(128, 128, dtype=torch.float64)
    dtype = getattr(torch, kind)
    given = (left.to(device, dtype) @ right.to(device, dtype)).to("cpu", torch.float64)
    exact = left.to(dtype).double() @ right.to(dtype).double()
    error = float((given - exact).abs().max() / exact.abs().max())
    # float16 and bfloat16 keep 10 and 7 bits; sums of 128 products lose a few more
    allowed = {"float32": 1e-4, "float16": 1e-2, "bfloat16": 4e-2}[kind]
    if not error <= allowed:
        raise ArithmeticError("the result is off by %.2g (allowed: %.2g)" % (error, allowed))
    return {"error": error}


def attention(argument: str) -> Dict[str, Any]:
    """Attention as "DEVICE" (what torch chooses) or "DEVICE/BACKEND" computes it, against the formula on the CPU."""
    torch = importlib.import_module("torch")
    device, _, backend = argument.partition("/")
    torch.manual_seed(0)
    # The fused ones take half precision only.
    dtype = torch.float16 if backend else torch.float32
    query, key, value = (torch.randn(1, 2, 64, 32, dtype=torch.float64).to(dtype) for _ in range(3))
    exact = torch.softmax(query.double() @ key.double().transpose(-1, -2) / 32**0.5, dim=-1) @ value.double()
    try:
        given = _attend(torch, backend, *(item.to(device) for item in (query, key, value)))
    except (RuntimeError, AttributeError) as refused:
        # An operator that has no kernel for this card says so in many words, all with one of these.
        lacks = ("no available kernel", "no operator found", "not supported", "has no attribute")
        if backend and any(words in str(refused).lower() for words in lacks):
            return {"not offered here": str(refused).splitlines()[0]}
        raise
    error = float((given.double().cpu() - exact).abs().max())
    if not error <= 5e-3:
        raise ArithmeticError("attention is off by %.2g" % error)
    return {"error": error}


def _attend(torch: Any, backend: str, query: Any, key: Any, value: Any) -> Any:
    """Inputs (batch, heads, length, channels); the result has the same shape."""
    if backend == "xformers":
        ops = importlib.import_module("xformers.ops")
        turned = (item.transpose(1, 2).contiguous() for item in (query, key, value))
        return ops.memory_efficient_attention(*turned).transpose(1, 2)
    if not backend:
        return torch.nn.functional.scaled_dot_product_attention(query, key, value)
    choice = importlib.import_module("torch.nn.attention")
    with choice.sdpa_kernel(getattr(choice.SDPBackend, backend.upper())):
        return torch.nn.functional.scaled_dot_product_attention(query, key, value)


def eight_bit(device: str) -> Dict[str, Any]:
    """One step of bitsandbytes' 8-bit AdamW: the weights must move, and stay finite."""
    torch = importlib.import_module("torch")
    optim = importlib.import_module("bitsandbytes.optim")
    torch.manual_seed(0)
    weight = torch.nn.Parameter(torch.randn(64, 128, device=device))
    before = weight.detach().clone()
    optimizer = optim.AdamW8bit([weight], lr=1e-2, min_8bit_size=1024)
    weight.square().sum().backward()
    optimizer.step()
    moved = float((weight.detach() - before).abs().max())
    if not (0 < moved < 1):
        raise ArithmeticError("the step moved the weights by %r" % moved)
    return {"moved": moved}


def accelerate_config(path: str) -> Dict[str, Any]:
    """accelerate itself reads its configuration."""
    module = importlib.import_module("accelerate.commands.config")
    config = module.load_config_from_file(path)
    return {"mixed_precision": str(config.mixed_precision)}


TESTS = {
    "import": import_package,
    "devices": devices,
    "matmul": matmul,
    "attention": attention,
    "eight-bit": eight_bit,
    "accelerate": accelerate_config,
}

if __name__ == "__main__":
    sys.stdout.write("\n" + json.dumps(TESTS[sys.argv[1]](sys.argv[2])) + "\n")
