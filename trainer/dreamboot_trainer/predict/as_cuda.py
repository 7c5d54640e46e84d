"""Tensors without contents, computed in CUDA's number formats, and told of to a recorder."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch import nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.nn import functional

from dreamboot_trainer.predict.trace import Recorder


@contextmanager
def as_on_cuda(recorder: Recorder) -> Iterator[Recorder]:
    """Inside, tensors have no contents, are told of to `recorder`, and are computed in CUDA's formats."""
    with ExitStack() as within:
        within.enter_context(FakeTensorMode())
        within.enter_context(recorder)
        within.enter_context(_swapping_weights())
        within.enter_context(_cuda_autocast())
        yield recorder


@contextmanager
def _cuda_autocast() -> Iterator[None]:
    """CUDA's autocast computes norms and softmax in fp32, the CPU's does not.

    Source: "CUDA Ops that can autocast to float32" in torch's documentation of amp. A TorchFunctionMode would be off
    while a checkpointed block is computed again.
    """
    names = ("group_norm", "layer_norm", "softmax")
    before = {name: getattr(functional, name) for name in names}

    def in_fp32(call: Callable[..., Any]) -> Callable[..., Any]:
        def run(tensor: Any, *args: Any, **kwargs: Any) -> Any:
            if not torch.is_autocast_enabled("cpu"):
                return call(tensor, *args, **kwargs)
            with torch.autocast("cpu", enabled=False):
                args = tuple(arg.float() if isinstance(arg, torch.Tensor) else arg for arg in args)
                return call(tensor.float(), *args, **kwargs)

        return run

    for name, call in before.items():
        setattr(functional, name, in_fp32(call))
    try:
        yield
    finally:
        for name, call in before.items():
            setattr(functional, name, call)


@contextmanager
def _swapping_weights() -> Iterator[None]:
    """`Module._apply` can't swap fake weights in place; while predicting it puts new ones."""
    before = nn.Module._apply

    def apply(self: Any, change: Callable[[Any], Any], recurse: bool = True) -> Any:
        for child in self.children() if recurse else ():
            child._apply(change)
        for name, weight in list(self._parameters.items()):
            if weight is not None:
                self._parameters[name] = nn.Parameter(change(weight.data), requires_grad=weight.requires_grad)
        for name, buffer in list(self._buffers.items()):
            if buffer is not None:
                self._buffers[name] = change(buffer)
        return self

    nn.Module._apply = apply  # type: ignore[method-assign]
    try:
        yield
    finally:
        nn.Module._apply = before  # type: ignore[method-assign]
