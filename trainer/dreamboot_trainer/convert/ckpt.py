"""Writing a .ckpt: what torch.save makes of {"state_dict": tensors}, for programs that take nothing else.

The tensors come from a safetensors file that is mapped, so that a model of any size takes a few MiB of memory.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dreamboot_trainer.convert.atomic import remove
from dreamboot_trainer.convert.planned import Planned
from dreamboot_trainer.convert.writer import write

if TYPE_CHECKING:
    import torch

ENDING = ".ckpt"
TIMES = 2
"""The data is on the disk twice while it is written."""


def write_ckpt(path: Path, planned: Sequence[Planned], moved: Callable[[int], None]) -> int:
    """Write the file and force it to disk; return its size in bytes. `moved` is told the bytes of each tensor.

    Nothing but tensors is in it, so `torch.load(weights_only=True)` reads it. Raises what `write` does.
    """
    import torch

    between = path.with_name(path.name + ".tensors")
    try:
        write(between, planned, {}, moved)
        with path.open("wb") as out:
            torch.save({"state_dict": _mapped(between)}, out)
            out.flush()
            os.fsync(out.fileno())
    finally:
        remove(between)
    return path.stat().st_size


def _mapped(path: Path) -> dict[str, torch.Tensor]:
    """The tensors of a safetensors file, each with a storage of its own on the file's pages."""
    import numpy as np

    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        entries: Mapping[str, Any] = json.loads(file.read(length))
    content = np.memmap(path, mode="c", dtype=np.uint8)
    found = {}
    for name, entry in entries.items():
        begin, end = (8 + length + offset for offset in entry["data_offsets"])
        found[name] = _tensor(content[begin:end], entry["dtype"], entry["shape"])
    return found


def _tensor(data: Any, dtype: str, shape: Sequence[int]) -> torch.Tensor:
    import torch

    formats = {
        "F64": torch.float64, "F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16,
        "F8_E4M3": torch.float8_e4m3fn, "F8_E5M2": torch.float8_e5m2, "I64": torch.int64, "I32": torch.int32,
        "I16": torch.int16, "I8": torch.int8, "U8": torch.uint8, "BOOL": torch.bool,
    }  # fmt: skip
    return torch.from_numpy(data).view(formats[dtype]).reshape(tuple(shape))
