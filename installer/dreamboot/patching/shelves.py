"""The shelf: one file per patch, in a checkout at its root, in a wheel among the package's data."""

from __future__ import annotations

from pathlib import Path
from typing import Sequence, Tuple

from dreamboot.host import Host
from dreamboot.patching import faults
from dreamboot.patching.parse import parse
from dreamboot.patching.patch import Patch


def folder(host: Host) -> Path:
    """Where the patches lie."""
    package = Path(__file__).resolve().parents[1]
    inside = package / "data" / "patches"
    return inside if host.is_dir(inside) else package.parents[1] / "patches"


def shelf(host: Host) -> Tuple[Patch, ...]:
    """Every patch, by distribution and number. Raises `DreambootError` (patch-malformed)."""
    root = folder(host)
    found = []
    for distribution in host.list_dir(root):
        for file in host.list_dir(root / distribution):
            if file.endswith(".patch"):
                data = host.read_bytes(root / distribution / file) or b""
                found.append(parse(name_of(distribution, file), data))
    return tuple(found)


def name_of(distribution: str, file: str) -> str:
    """ "bitsandbytes", "010-windows-dll.patch" → "bitsandbytes/windows-dll"."""
    return f"{distribution}/{file[: -len('.patch')].partition('-')[2]}"


def pick(patches: Sequence[Patch], names: Sequence[str]) -> Tuple[Patch, ...]:
    """The patches of those names, in the shelf's order. Raises `DreambootError` for a name that is not there."""
    known = [patch.name for patch in patches]
    for name in names:
        if name not in known:
            raise faults.unknown_patch(name, known)
    return tuple(patch for patch in patches if patch.name in names)
