"""What a training step computes and moves: operations and bytes by kind, from the real architecture on fake tensors."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_iter
from torch.utils.flop_counter import flop_registry

from dreamboot_trainer.predict.request import Request

KINDS: Mapping[str, tuple[str, ...]] = {
    "convolution": ("convolution",),
    "attention": ("scaled_dot_product",),
    "matrix product": ("mm", "addmm", "bmm", "baddbmm"),
}
"""Operations by the words in their names; everything else is "norms and the rest"."""
REST, OPTIMIZER = "norms and the rest", "optimizer"
# These make no new data: views, and allocations that something else fills.
_FREE = ("view", "reshape", "t", "transpose", "permute", "expand", "slice", "select", "split", "unsqueeze", "squeeze",
         "detach", "alias", "as_strided", "unbind", "empty", "empty_like", "unsafe_view", "chunk")  # fmt: skip


@dataclass(frozen=True, slots=True)
class Operation:
    """One kernel: floating-point operations, and bytes that it reads and writes."""

    kind: str
    flops: int
    traffic: int

    def seconds(self, flops_per_second: float, bytes_per_second: float) -> float:
        """The least time on a card, by whichever of the two limits it (the roofline of Williams et al. 2009)."""
        return max(self.flops / flops_per_second, self.traffic / bytes_per_second)


class Counter(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Collects the operations that run inside, as kernels of their own (no fusion)."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.operations: list[Operation] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Run the operation and count it."""
        made = func(*args, **(kwargs or {}))
        packet = func._overloadpacket
        name = str(packet).removeprefix("aten.")
        if name.lstrip("_") not in _FREE:
            tensors = [item for item in tree_iter((args, kwargs, made)) if hasattr(item, "element_size")]
            traffic = sum(tensor.numel() * tensor.element_size() for tensor in tensors)
            self.operations.append(Operation(_kind(name), _flops(packet, name, args, kwargs or {}, made), traffic))
        return made


def _flops(packet: Any, name: str, args: Any, kwargs: Any, made: Any) -> int:
    """By torch's own rules; those for fused attention know CUDA's kernels only, and these are a CPU's."""
    if "scaled_dot_product" in name:
        # Two products forward; backward computes the scores again and has four: 5 / 2 (Dao et al. 2022).
        backward = "backward" in name
        query, key = args[backward], args[backward + 1]
        product = 2 * query.shape[0] * query.shape[1] * query.shape[2] * key.shape[2] * query.shape[3]
        return int(product * (5 if backward else 2))
    rule = flop_registry.get(packet)
    return int(rule(*args, **kwargs, out_val=made)) if rule is not None else 0


def _kind(name: str) -> str:
    parts = name.lstrip("_")
    for kind, words in KINDS.items():
        if parts in words or (kind != "matrix product" and any(word in parts for word in words)):
            return kind
    return REST


def count(request: Request, configs: Mapping[str, Mapping[str, Any]]) -> tuple[Operation, ...]:
    """The operations of one optimizer step. The optimizer is one operation: its bytes follow from its states."""
    from dreamboot_trainer.predict.as_cuda import as_on_cuda
    from dreamboot_trainer.predict.loaded import Loaded
    from dreamboot_trainer.predict.step import Step
    from dreamboot_trainer.predict.trace import Recorder
    from dreamboot_trainer.predict.with_optimizer import state_sizes

    with as_on_cuda(Recorder()) as recorder:
        step = Step(Loaded(request, configs, recorder))
        with Counter() as counter:
            for _ in range(request.accumulation):
                step.loss().backward()
        learning = step.learning()
    weights = sum(math.prod(weight.shape) for weight in learning)
    states = sum(state_sizes(learning, request.optimizer, request.implementation))
    # Reads weight and gradient, writes the weight, reads and writes the states (fp32 weights and gradients).
    traffic = weights * 3 * 4 + 2 * states
    return (*counter.operations, Operation(OPTIMIZER, 12 * weights, traffic))
