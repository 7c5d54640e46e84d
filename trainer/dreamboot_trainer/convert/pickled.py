"""Reading .ckpt and .bin files: only with torch's restricted unpickler, and mapped, not loaded."""

from __future__ import annotations

import pickle
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from dreamboot_trainer.convert.faults import unreadable, unsafe_pickle
from dreamboot_trainer.convert.numbers import Bytes
from dreamboot_trainer.convert.sources import CHUNK, Info

if TYPE_CHECKING:
    import torch

# What PyTorch Lightning leaves in training checkpoints such as the published sd-v1-4.ckpt and v1-5-pruned.ckpt:
# a callback's class as a dictionary key, and numpy scalars for its best score. Inert stand-ins take their place.
_HARMLESS = (
    "pytorch_lightning.callbacks.model_checkpoint.ModelCheckpoint",
    "pytorch_lightning.callbacks.early_stopping.EarlyStopping",
    "numpy.core.multiarray.scalar",
    "numpy._core.multiarray.scalar",
    "numpy.dtype",
)
_REFUSALS = ("GLOBAL", "Trying to", "Can only", "can only")


class _Inert:
    """Takes the place of a harmless object: keeps nothing, does nothing."""

    def __init__(self, *_: object) -> None: ...

    def __setstate__(self, _: object) -> None: ...


class PickledFile:
    """A file written by torch.save: a `state_dict` entry, or the tensors at the top level.

    Files in today's zip format are memory-mapped; the pages are the kernel's cache, not the process's own memory.
    The format of torch < 1.6 can't be mapped: such a file is read whole (`mapped` is then False).
    """

    metadata: Mapping[str, str] = {}

    def __init__(self, path: Path) -> None:
        self.path = path
        content, self.mapped = _load(path)
        state = content.get("state_dict", content) if isinstance(content, dict) else content
        if not isinstance(state, dict):
            raise unreadable(path, "a pickle without a dictionary of tensors")
        self._tensors = _dense_tensors(path, state)
        self.tensors: Mapping[str, Info] = {
            name: Info(_format(path, name, tensor), tuple(tensor.shape)) for name, tensor in self._tensors.items()
        }

    def chunks(self, name: str, start: int, length: int) -> Iterator[Bytes]:
        """See Source.chunks."""
        import torch

        data = self._tensors[name].detach().contiguous().reshape(-1).view(torch.uint8).numpy().data
        for begin in range(start, start + length, CHUNK):
            yield data[begin : min(begin + CHUNK, start + length)]

    def place(self, name: str) -> tuple[BinaryIO, int] | None:  # noqa: ARG002 - the protocol's shape
        """Not known for a pickled file."""
        return None

    def close(self) -> None:
        """See Source.close."""
        self._tensors = {}


def _load(path: Path) -> tuple[Any, bool]:
    """The file's content and whether it is memory-mapped. Nothing in it is executed: weights_only is always on."""
    import torch
    from torch.serialization import safe_globals

    stand_ins: list[Any] = [(_Inert, name) for name in _HARMLESS]
    try:
        with safe_globals(stand_ins):
            try:
                return torch.load(path, map_location="cpu", weights_only=True, mmap=True), True
            except RuntimeError as error:
                if "mmap can only be used" not in str(error):
                    raise
            return torch.load(path, map_location="cpu", weights_only=True), False
    except pickle.UnpicklingError as error:
        line = next((line.strip() for line in str(error).splitlines() if any(r in line for r in _REFUSALS)), "")
        if line:
            raise unsafe_pickle(path, line[:300]) from None
        raise unreadable(path, "a damaged pickle, or no model file at all") from None
    except (RuntimeError, EOFError, OSError, ValueError, LookupError, AttributeError, TypeError) as error:
        raise unreadable(path, str(error).splitlines()[0][:300] if str(error) else type(error).__name__) from error


def _dense_tensors(path: Path, state: Mapping[Any, Any]) -> dict[str, torch.Tensor]:
    import torch

    found = {name: value for name, value in state.items() if isinstance(name, str) and isinstance(value, torch.Tensor)}
    if not found:
        raise unreadable(path, "no tensors in it")
    for name, tensor in found.items():
        if tensor.layout is not torch.strided or tensor.is_quantized:
            raise unreadable(path, f"{name} is not a plain dense tensor")
    return found


def _format(path: Path, name: str, tensor: torch.Tensor) -> str:
    import torch

    formats = {
        torch.float64: "F64", torch.float32: "F32", torch.float16: "F16", torch.bfloat16: "BF16",
        torch.float8_e4m3fn: "F8_E4M3", torch.float8_e5m2: "F8_E5M2", torch.int64: "I64", torch.int32: "I32",
        torch.int16: "I16", torch.int8: "I8", torch.uint8: "U8", torch.bool: "BOOL",
    }  # fmt: skip
    if tensor.dtype not in formats:
        raise unreadable(path, f"{name} has the number format {tensor.dtype}")
    return formats[tensor.dtype]
