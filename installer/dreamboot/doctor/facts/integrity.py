"""Installed files against what RECORD says of them: missing, cut off, or overwritten by hand."""

# ruff: noqa: E501, PTH110, PTH118 - strings, not Path objects: thousands of files are looked at in a second

from __future__ import annotations

import base64
import csv
import hashlib
import os
from pathlib import Path
from typing import Dict, Iterable, List, Optional, Tuple

from dreamboot.doctor.facts import files
from dreamboot.doctor.facts.values import FileFault, Package

# The packages that training stands on; others are not worth the time.
WATCHED = frozenset(
    (
        "torch", "torchvision", "torchaudio", "diffusers", "transformers", "accelerate", "bitsandbytes", "peft", "safetensors",
        "huggingface-hub", "tokenizers", "xformers", "flash-attn", "triton", "triton-windows", "numpy", "pillow", "dreamboot",
        "sageattention", "protobuf", "tensorboard", "setuptools", "pyyaml", "regex", "packaging", "filelock", "customtkinter",
    )
)  # fmt: skip
# Of these every Python file is hashed: guides tell people to overwrite files in them.
HASHED = frozenset(("bitsandbytes", "accelerate", "peft", "safetensors"))
SHOWN = 5
# A file that was written this long (seconds) before or after most of its package is looked into.
APART = 900.0
Sizes = Dict[str, Tuple[int, float]]


def faults(packages: Iterable[Package]) -> Tuple[FileFault, ...]:
    """What is wrong, for each watched package that has a RECORD and is not editable."""
    found = []
    for package in packages:
        watched = package.name in WATCHED or package.name.startswith("nvidia-")
        # a distribution of the system (Debian strips libraries, conda rewrites them) keeps books of its own
        systems = package.site.endswith("dist-packages") and "/local/" not in package.site
        if (
            watched
            and package.record
            and not package.editable
            and not systems
            and package.installer in ("pip", "uv", "")
        ):
            fault = _check(package)
            if fault is not None:
                found.append(fault)
    return tuple(found)


def _check(package: Package) -> Optional[FileFault]:
    rows = _record(package)
    tops = {path.split("/", 1)[0] for path, _, _ in rows if "/" in path and not path.startswith((".", "/"))}
    there: Sizes = {}
    for top in tops:
        for name, found in files.sizes(os.path.join(package.site, top)).items():
            there[f"{top}/{name}"] = found
    missing, resized, suspects = _compare(package, rows, there)
    changed = [path for path, digest in suspects if not _same(os.path.join(package.site, path), digest)]
    count = len(missing) + len(resized) + len(changed)
    if not count:
        return None
    return FileFault(
        package=package.name,
        missing=tuple(missing[:SHOWN]),
        resized=tuple(resized[:SHOWN]),
        changed=tuple(changed[:SHOWN]),
        count=count,
    )


def _compare(
    package: Package, rows: List[Tuple[str, str, str]], there: Sizes
) -> Tuple[List[str], List[str], List[Tuple[str, str]]]:
    times = sorted(there[path][1] for path, _, _ in rows if path in there)
    usual = times[len(times) // 2] if times else 0.0
    missing: List[str] = []
    resized: List[str] = []
    suspects: List[Tuple[str, str]] = []
    for path, digest, size in rows:
        if path.endswith((".pyc", "/")) or ".dist-info/" in path or path.startswith(("..", "/")):
            continue
        found = there.get(path)
        if found is None:
            if not os.path.exists(os.path.join(package.site, path)):
                missing.append(path)
        elif size.isdigit() and int(size) != found[0]:
            # source that has another length was edited; a library that has was cut off
            if path.endswith(".py") and found[0]:
                suspects.append((path, digest))
            else:
                resized.append(path)
        elif path.endswith(".py") and (package.name in HASHED or abs(found[1] - usual) > APART):
            suspects.append((path, digest))
    return missing, resized, suspects


def _record(package: Package) -> List[Tuple[str, str, str]]:
    told = files.text(os.path.join(package.folder, "RECORD"), 20_000_000)
    rows = []
    for row in csv.reader(told.splitlines()):
        if len(row) == 3:
            rows.append((row[0].replace("\\", "/"), row[1], row[2]))
    return rows


def _same(path: str, digest: str) -> bool:
    """Whether a file has the hash that RECORD names ("sha256=" and unpadded URL-safe base64); True without one."""
    kind, mark, wanted = digest.partition("=")
    if not mark or kind not in hashlib.algorithms_guaranteed:
        return True
    try:
        content = Path(path).read_bytes()
    except OSError:
        return False
    return base64.urlsafe_b64encode(hashlib.new(kind, content).digest()).rstrip(b"=").decode() == wanted
