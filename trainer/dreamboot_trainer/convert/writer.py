"""Writing a .safetensors file tensor by tensor.

The safetensors library writes from tensors that are all in memory at once. This writer needs the names, formats and
shapes beforehand (they make the header) and then passes the data through in pieces, so that a file of any size takes
a few MiB of memory. The format: an 8-byte little-endian header length, the header as JSON, the data without holes
(github.com/huggingface/safetensors, README, "Format").
"""

from __future__ import annotations

import json
import os
import struct
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from dreamboot_trainer.convert.numbers import SIZES
from dreamboot_trainer.convert.planned import Planned
from dreamboot_trainer.convert.stream import copy_all, write_all

_ALIGNMENT = 8


def total_bytes(planned: Sequence[Planned], metadata: Mapping[str, str]) -> int:
    """Size of the whole file in bytes."""
    return len(_header(_ordered(planned), metadata)) + sum(tensor.nbytes for tensor in planned)


def write(path: Path, planned: Sequence[Planned], metadata: Mapping[str, str], moved: Callable[[int], None]) -> int:
    """Write the file and force it to disk; return its size in bytes. `moved` is told the bytes of each tensor.

    The same input always gives the same bytes. Raises OSError as the system does, TrainerError for values that don't
    fit the wanted format.
    """
    tensors = _ordered(planned)
    header = _header(tensors, metadata)
    with path.open("wb", buffering=0) as out:
        write_all(out, header)
        copy_all(tensors, out, moved)
        os.fsync(out.fileno())
    return len(header) + sum(tensor.nbytes for tensor in tensors)


def _ordered(planned: Sequence[Planned]) -> list[Planned]:
    """Wide formats first, as the library does: every tensor is then aligned to its element size."""
    return sorted(planned, key=lambda tensor: (-SIZES[tensor.dtype], tensor.name))


def _header(tensors: Sequence[Planned], metadata: Mapping[str, str]) -> bytes:
    entries: dict[str, object] = {"__metadata__": dict(metadata)} if metadata else {}
    offset = 0
    for tensor in tensors:
        end = offset + tensor.nbytes
        entries[tensor.name] = {"dtype": tensor.dtype, "shape": list(tensor.shape), "data_offsets": [offset, end]}
        offset = end
    text = json.dumps(entries, separators=(",", ":")).encode()
    text += b" " * (-len(text) % _ALIGNMENT)
    return struct.pack("<Q", len(text)) + text
