"""Sharded training: each process keeps a part of every weight, gradient and optimizer state (torch's FSDP2).

torch's `fully_shard` is called directly. accelerate's plugin for it acts on accelerators alone: on a CPU, accelerate
1.15 takes the plugin, says nothing, and gives every process the whole network.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from dreamboot_trainer.problems import Problem, TrainerError, mismatch

if TYPE_CHECKING:
    import torch

    from dreamboot_trainer.config import Config
    from dreamboot_trainer.trainable import Trainable

OPTIMIZER = "adamw"
"""The optimizer that goes over parts of weights as over whole ones: weight by weight, with a fused kernel for both.

torch 2.13 has no fused SGD for parts; bitsandbytes' kernels take none; Adafactor and Prodigy look at all of a weight.
"""

_OTHERS = {
    "ACCELERATE_USE_DEEPSPEED": "DeepSpeed",
    "ACCELERATE_USE_FSDP": "accelerate's FSDP",
    "ACCELERATE_USE_MEGATRON_LM": "Megatron-LM",
}
"""Variables by which `accelerate launch` hands on what its configuration file asks for."""


def faults(config: Config) -> list[Problem]:
    """The settings that sharding does not go with."""
    training, optimizer = config.training, config.optimizer.optimizer
    if training.sharding == "none":
        return []
    found = []
    if optimizer != OPTIMIZER:
        expected = f"{OPTIMIZER} with sharding: the others do not work on parts of weights"
        found.append(_fault("optimizer", expected, optimizer, f"optimizer={OPTIMIZER}"))
    if config.lora.base_precision == "nf4":
        found.append(_fault("base_precision", "auto with sharding: packed 4 bits are not divided", "nf4", _WITHOUT))
    if training.compile != "no":
        found.append(_fault("compile", "no with sharding", training.compile, "compile=no"))
    if training.mixed_precision == "fp16":
        found.append(_precision())
    if training.num_processes == 1:
        found.append(_alone())
    return found


def require(config: Config, processes: int, precision: str) -> None:
    """TrainerError where the run asks for sharding and can't have it. `precision` is what the device came to."""
    if config.training.sharding == "none":
        return
    found = faults(config)
    if processes == 1 and config.training.num_processes != 1:
        found.append(_alone())
    if precision == "fp16" and config.training.mixed_precision != "fp16":
        found.append(_precision())
    if found:
        raise TrainerError(*found)


def require_no_other(environment: Mapping[str, str]) -> None:
    """TrainerError where accelerate's configuration asks for another way to divide a model, which it would begin."""
    for variable, name in _OTHERS.items():
        if environment.get(variable, "").lower() == "true":
            raise TrainerError(
                mismatch(
                    "sharding-by-others",
                    f"Training with {name} is not supported.",
                    "none or torch's own sharding, by the setting `sharding`",
                    f"{variable}=true, as accelerate's configuration file sets it",
                    f"unset {variable}; dreamboot train --processes 2 --sharding full",
                )
            )


def try_out(device: torch.device, processes: int) -> None:
    """TrainerError, in every process, where this torch does not train divided weights rightly on this device.

    One layer is divided, and its gradient must come out as the mean over the processes. Seen on CPUs: torch 2.10 and
    2.13 do it, 2.8 hands out the sum without a word, 2.6 fails. The reduction depends on the backend, so it is tried.
    """
    import torch

    expected = [(processes + 1) / 2] * processes
    found: object
    try:
        from torch.distributed.device_mesh import init_device_mesh
        from torch.distributed.fsdp import fully_shard

        mesh = init_device_mesh(device.type, (processes,))
        layer: Any = torch.nn.Linear(1, processes, bias=False, device=device)
        fully_shard(layer, mesh=mesh, reshard_after_forward=True)
        layer(torch.full((1, 1), mesh.get_local_rank() + 1.0, device=device)).sum().backward()
        found = whole(layer.weight.grad).flatten().tolist()
    except Exception as error:  # noqa: BLE001 - whatever it is, it would come again at the first step
        found = f"{type(error).__name__}: {error}"
    if found != expected:
        raise TrainerError(
            mismatch(
                "sharding-torch",
                f"torch {torch.__version__} does not train sharded weights rightly on {device.type}.",
                f"gradients that are the mean over the processes, {expected}",
                found,
                "--set sharding=none, or an environment with another torch (2.10 and 2.13 were seen to do it)",
            )
        )


def shard(trainable: Trainable, device: torch.device, processes: int) -> None:
    """Divide the networks, in place: each of their blocks is put together when it is used, and let go after it.

    Every network is divided by itself, so that samples can call the denoiser alone. Blocks are those that diffusers
    and transformers name as not to be split. A call of a network is a common act of all processes from here on.
    """
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.fsdp import fully_shard

    mesh = init_device_mesh(device.type, (processes,))
    denoiser: Any = trainable.denoiser
    encoder: Any
    units = [*_blocks(denoiser), denoiser]
    for encoder in trainable.encoders:
        blocks = _blocks(encoder)
        inside = {id(weight) for block in blocks for weight in block.parameters()}
        # A sharded module is of a new class. transformers 5 looks up by the name of an encoder's class how to give out
        # hidden states, which SDXL takes: the encoder itself must stay of its own.
        owners = (m for m in encoder.modules() if any(id(w) not in inside for w in m.parameters(recurse=False)))
        units += [*blocks, *owners]
    for unit in units:
        fully_shard(unit, mesh=mesh, reshard_after_forward=True)


def _blocks(network: Any) -> list[Any]:
    """The inner ones before those that they are in, which then take what is left."""
    names = set(getattr(network, "_no_split_modules", None) or ())
    return [module for module in network.modules() if type(module).__name__ in names][::-1]


def whole(tensor: Any) -> Any:
    """The tensor put together from its parts, by all processes; any other tensor is given back as it is."""
    # By name: `torch.distributed.tensor` takes 0.4 s to import, and a run that is not sharded has no use for it.
    gather = getattr(tensor, "full_tensor", None)
    return tensor if gather is None else gather()


def whole_tree(content: Any, *, keep: bool) -> Any:
    """Nested containers with every sharded tensor in them whole, in main memory.

    All processes call it; those without `keep` take their part in it and get nothing in place of sharded tensors.
    """
    if isinstance(content, Mapping):
        return {name: whole_tree(item, keep=keep) for name, item in content.items()}
    if isinstance(content, (list, tuple)):
        return type(content)([whole_tree(item, keep=keep) for item in content])
    if not hasattr(content, "full_tensor"):
        return content
    tensor = whole(content.detach())
    return tensor.cpu() if keep else None


def part_of(tensor: torch.Tensor, like: Any) -> torch.Tensor:
    """This process's part of a whole tensor, divided as `like` is; where that is not divided, the tensor itself."""
    if not hasattr(like, "full_tensor"):
        return tensor
    mesh = like.device_mesh
    parts = tensor.chunk(mesh.size(), dim=0)
    rank = mesh.get_local_rank()
    return parts[rank] if rank < len(parts) else tensor[:0]


def local(tensor: Any) -> torch.Tensor:
    """What this process holds of it."""
    found: torch.Tensor = tensor.to_local() if hasattr(tensor, "full_tensor") else tensor
    return found


def divided(state: dict[str, Any], optimizer: torch.optim.Optimizer) -> dict[str, Any]:
    """An optimizer's whole state dict, divided as its weights are."""
    weights = [weight for group in optimizer.param_groups for weight in group["params"]]
    if not any(hasattr(weight, "full_tensor") for weight in weights):
        return state
    from torch.distributed.tensor import DTensor

    def like(weight: Any, value: Any) -> Any:
        if not hasattr(value, "shape") or value.shape != weight.shape:
            return value
        part = part_of(value, weight).clone().to(weight.device)
        return DTensor.from_local(
            part, weight.device_mesh, weight.placements, run_check=False, shape=weight.shape, stride=weight.stride()
        )

    moments = {
        index: {name: like(weights[index], value) for name, value in each.items()}
        for index, each in state["state"].items()
    }
    return {**state, "state": moments}


def held_bytes(trainable: Trainable, optimizer: torch.optim.Optimizer) -> dict[str, int]:
    """Bytes of the networks' weights and of the optimizer's state in this process."""
    moments = [value for each in optimizer.state.values() for value in each.values() if hasattr(value, "element_size")]
    return {"weights": _bytes(list(trainable.parameters())), "optimizer": _bytes(moments)}


def _bytes(tensors: list[Any]) -> int:
    parts = [local(tensor) for tensor in tensors]
    return sum(part.numel() * part.element_size() for part in parts)


_WITHOUT = "sharding=none"


def _alone() -> Problem:
    return mismatch(
        "sharding-one-process",
        "There is one process, so nothing can be sharded.",
        "2 processes or more with sharding = full",
        "1",
        "dreamboot train --processes 2 ..., or: --set sharding=none",
    )


def _precision() -> Problem:
    expected = "bf16 or no with sharding: the scaling of fp16's gradients was never seen to work over parts"
    return _fault("mixed_precision", expected, "fp16", "mixed_precision=bf16 (or no)")


def _fault(name: str, expected: str, found: str, change: str) -> Problem:
    return mismatch("sharding-setting", f"Sharding does not go with this {name}.", expected, found, f"--set {change}")
