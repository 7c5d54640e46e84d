"""Number formats of safetensors, and casting of raw bytes between the floating-point ones."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from dreamboot_trainer.convert.faults import does_not_fit

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Bytes = bytes | bytearray | memoryview

SIZES: Final = {
    "F64": 8, "F32": 4, "F16": 2, "BF16": 2, "F8_E4M3": 1, "F8_E5M2": 1,
    "I64": 8, "I32": 4, "I16": 2, "I8": 1, "U64": 8, "U32": 4, "U16": 2, "U8": 1, "BOOL": 1,
}  # fmt: skip
"""Bytes of one element, by the safetensors name of the format."""

FLOATS: Final = frozenset({"F64", "F32", "F16", "BF16"})
"""The formats that a wish for another dtype changes; integers and 8-bit floats stay as they are."""

WISHES: Final = {
    "keep": "",
    "float16": "F16",
    "fp16": "F16",
    "bfloat16": "BF16",
    "bf16": "BF16",
    "float32": "F32",
    "fp32": "F32",
}
"""What a user may ask for -> format; empty = leave each tensor as it is."""


def wanted(found: str, wish: str) -> str:
    """The format to write for a tensor found in `found` under the wish (a key of WISHES)."""
    target = WISHES[wish]
    return target if target and found in FLOATS else found


def cast(data: Bytes, source: str, target: str, name: str) -> Bytes:
    """`data` (little-endian elements of format `source`) as format `target`, rounded to nearest even.

    Raises TrainerError when a finite value would become infinite; `name` is for its message.
    """
    if source == target:
        return data
    import numpy as np

    try:
        with np.errstate(over="raise", invalid="ignore"):
            if target == "BF16":
                return _to_bfloat16(_to_numpy(data, source).astype(np.float32)).view(np.uint8).data
            number = {"F16": "<f2", "F32": "<f4", "F64": "<f8"}[target]
            return _to_numpy(data, source).astype(number).view(np.uint8).data
    except FloatingPointError:
        raise does_not_fit(name, target) from None


def transpose(data: Bytes, dtype: str, rows: int, columns: int) -> bytes:
    """The matrix [rows, columns] of `dtype` elements in `data` as the bytes of [columns, rows]."""
    import numpy as np

    element = np.dtype(f"V{SIZES[dtype]}")
    turned: bytes = np.frombuffer(data, dtype=element).reshape(rows, columns).T.tobytes()
    return turned


def _to_numpy(data: Bytes, source: str) -> NDArray[np.floating]:
    import numpy as np

    if source == "BF16":  # the upper half of a float32
        return (np.frombuffer(data, dtype="<u2").astype(np.uint32) << 16).view(np.float32)
    return np.frombuffer(data, dtype={"F16": "<f2", "F32": "<f4", "F64": "<f8"}[source])


def _to_bfloat16(values: NDArray[np.float32]) -> NDArray[np.uint16]:
    """Round to nearest even by adding just under half of the part that is cut off; NaN stays NaN."""
    import numpy as np

    bits = values.view(np.uint32)
    rounded = ((bits + (0x7FFF + ((bits >> 16) & 1)).astype(np.uint32)) >> 16).astype("<u2")
    return np.where(np.isnan(values), np.uint16(0x7FC0), rounded).astype("<u2")
