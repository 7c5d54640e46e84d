"""Data files → typed rows. A row that lacks a source, or does not fit its class, is named and refused."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any, Dict, List, Mapping, Tuple, Type, TypeVar

from dreamboot.catalog import rows

Row = TypeVar("Row")
FOLDER = Path(__file__).parent / "data"

# File name → row class. A new table is a data file, a class in rows.py, and a line here.
TABLES: Dict[str, Type[Any]] = {
    "torch": rows.TorchRelease,
    "architectures": rows.Architectures,
    "cuda": rows.CudaToolkit,
    "gpus": rows.GpuModel,
    "gpu_families": rows.GpuFamily,
    "cudnn": rows.CudnnLimit,
    "first_drivers": rows.FirstDriver,
    "jetson": rows.JetsonBoard,
    "amd": rows.AmdTarget,
    "intel": rows.IntelDevice,
    "bitsandbytes": rows.BitsandbytesRelease,
    "xformers": rows.XformersRelease,
    "triton_windows": rows.TritonWindows,
    "conflicts": rows.Conflict,
    "accelerate": rows.AccelerateKeys,
    "stacks": rows.Stack,
    "floors": rows.Floor,
    "unpinnable": rows.Unpinnable,
    "sizes": rows.BuildSize,
    "memory": rows.MemoryRow,
}


class BadRowError(ValueError):
    """A row of the catalog that breaks its schema: a fault of the data, found by tests and `catalog check`."""


def read(table: str) -> Mapping[str, Any]:
    """One data file as plain data."""
    data: Mapping[str, Any] = json.loads((FOLDER / f"{table}.json").read_text(encoding="utf-8"))
    return data


def typed(table: str, data: Mapping[str, Any]) -> Tuple[Any, ...]:
    """The rows of one table as values. Raises `BadRowError` naming table, row and fault."""
    cls = TABLES[table]
    names = {field.name for field in dataclasses.fields(cls)}
    required = {
        field.name
        for field in dataclasses.fields(cls)
        if field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
    }
    found: List[Any] = []
    for number, row in enumerate(data["rows"]):
        fault = _fault(row, names, required)
        if fault:
            raise BadRowError(f"{table}.json, row {number + 1} ({next(iter(row.values()), 'empty')}): {fault}")
        found.append(cls(**{name: _frozen(member) for name, member in row.items()}))
    return tuple(found)


def _fault(row: Mapping[str, Any], names: set, required: set) -> str:  # type: ignore[type-arg]
    keys = set(row)
    if not row.get("source") or not all(isinstance(text, str) and text.strip() for text in row["source"]):
        return "it has no source"
    if keys - names:
        return "unknown fields " + ", ".join(sorted(keys - names))
    if required - keys:
        return "missing fields " + ", ".join(sorted(required - keys))
    return ""


def _frozen(member: Any) -> Any:
    if isinstance(member, list):
        return tuple(member)
    if isinstance(member, dict):
        return {key: _frozen(inner) for key, inner in member.items()}
    return member
