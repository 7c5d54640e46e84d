"""Model files by their first bytes: whole or cut off, of which family, or no model at all."""

# ruff: noqa: E501, PTH110, PTH113, PTH118, PTH202 - strings, not Path objects: thousands of files are looked at in a second

from __future__ import annotations

import json
import os
import struct
from pathlib import Path
from typing import Any, Dict, Iterable, List

from dreamboot.doctor.facts.values import ModelFile

SUFFIXES = (".safetensors", ".ckpt", ".pt", ".pth", ".bin")
MOST = 200
# safetensors refuses longer headers.
HEADER_LIMIT = 100_000_000
SMALLEST_PICKLE = 1024


def model_files(folders: Iterable[str]) -> List[ModelFile]:
    """Every model file below the folders, `MOST` at most; links into the hub's cache are followed."""
    found: List[ModelFile] = []
    for folder in folders:
        paths = [folder] if os.path.isfile(folder) else _below(folder)
        for path in paths:
            if len(found) >= MOST:
                return found
            if path.lower().endswith(SUFFIXES):
                found.append(read(path))
    return found


def _below(folder: str) -> List[str]:
    found = []
    for root, folders, names in os.walk(folder):
        folders.sort()
        paths = (os.path.join(root, name) for name in sorted(names))
        found += [path for path in paths if os.path.exists(path)]  # a link to nothing is a fault of the cache
    return found


def read(path: str) -> ModelFile:
    """One file; never raises."""
    try:
        size = os.path.getsize(path)
        with Path(path).open("rb") as file:
            head = file.read(512)
            if head.startswith(b"version https://git-lfs"):
                return ModelFile(path=path, kind="pointer", fault="it is a git-lfs pointer, not the model")
            if head.lstrip()[:15].lower().startswith((b"<!doctype", b"<html")):
                return ModelFile(path=path, kind="page", fault="it is a web page that was saved under this name")
            if path.lower().endswith(".safetensors"):
                return _safetensors(path, size, head[:8], file)
    except OSError as error:
        return ModelFile(path=path, kind="other", fault=f"it can't be read: {error.strerror}")
    return _pickle(path, size, head)


def _safetensors(path: str, size: int, head: bytes, file: Any) -> ModelFile:
    if len(head) < 8:
        return ModelFile(path=path, fault=f"it holds {size} bytes, less than a header")
    (length,) = struct.unpack("<Q", head)
    if length > HEADER_LIMIT:
        return ModelFile(
            path=path,
            fault=f"its header would be {length:,} bytes long (the limit is {HEADER_LIMIT:,}): no safetensors file, or too many tensors",
        )
    if 8 + length > size:
        return ModelFile(path=path, fault=f"its header ends at byte {8 + length:,}, the file at {size:,}: cut off")
    file.seek(8)
    try:
        header = json.loads(file.read(length))
        tensors = {name: entry for name, entry in header.items() if name != "__metadata__"}
        end = max((entry["data_offsets"][1] for entry in tensors.values()), default=0)
    except (ValueError, KeyError, TypeError, IndexError, AttributeError):
        return ModelFile(path=path, fault="its header is not valid JSON of tensors: damaged")
    expected = 8 + length + end
    if expected > size:
        return ModelFile(path=path, fault=f"it should hold {expected:,} bytes and holds {size:,}: cut off")
    return ModelFile(path=path, channels=_channels(tensors), family=_family(tensors))


def _pickle(path: str, size: int, head: bytes) -> ModelFile:
    if size < SMALLEST_PICKLE:
        return ModelFile(path=path, kind="pickle", fault=f"it holds only {size} bytes")
    if head.startswith(b"PK\x03\x04"):
        return ModelFile(
            path=path,
            kind="pickle",
            fault="" if _zip_ends(path, size) else "its zip directory at the end is missing: cut off",
        )
    return ModelFile(path=path, kind="pickle")


def _zip_ends(path: str, size: int) -> bool:
    with Path(path).open("rb") as file:
        file.seek(max(0, size - 70_000))
        return b"PK\x05\x06" in file.read()


def _channels(tensors: Dict[str, Any]) -> int:
    for name in ("conv_in.weight", "model.diffusion_model.input_blocks.0.0.weight"):
        shape = tensors.get(name, {}).get("shape")
        if isinstance(shape, list) and len(shape) == 4 and "decoder.conv_in.weight" not in tensors:
            return int(shape[1])
    return 0


def _family(tensors: Dict[str, Any]) -> str:
    if any(name.startswith("conditioner.embedders.") for name in tensors):
        return "sdxl"
    if any(name.startswith("double_blocks.") for name in tensors):
        return "flux"
    if any("joint_blocks." in name for name in tensors):
        return "sd3"
    if any(name.startswith("cond_stage_model.model.") for name in tensors):
        return "sd2"
    return "sd1" if any(name.startswith("cond_stage_model.transformer.") for name in tensors) else ""
