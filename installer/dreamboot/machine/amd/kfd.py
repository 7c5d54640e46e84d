"""The compute driver's topology in /sys/class/kfd: one folder per node, CPUs among them."""

from __future__ import annotations

from typing import Dict, Iterable, Optional

from dreamboot.machine.names import amd_integrated
from dreamboot.model import Gpu, Vendor
from dreamboot.values import value

MIB = 1024 * 1024
AMD_VENDOR = 0x1002
# HSA_HEAPTYPE_FRAME_BUFFER_PUBLIC and _PRIVATE (Linux, kfd_crat.h): memory on the card.
FRAME_BUFFERS = (1, 2)


@value
class Node:
    """A GPU of the topology; `kfd_id` is the number under which processes' memory is accounted."""

    gpu: Gpu
    device: int
    kfd_id: str = ""


def parse_properties(text: str) -> Dict[str, int]:
    """ "name number" lines → dict; lines of another shape are left out."""
    values: Dict[str, int] = {}
    for line in text.splitlines():
        name, _, number = line.strip().partition(" ")
        if number.isascii() and number.isdigit() and len(number) <= 24:
            values[name] = int(number)
    return values


def gfx_name(version: int) -> str:
    """110000 → "gfx1100", 90010 → "gfx90a": major, minor and stepping, the last two in hexadecimal."""
    major, minor, step = version // 10000, version // 100 % 100, version % 100
    return f"gfx{major}{minor:x}{step:x}" if version > 0 else ""


def address(properties: Dict[str, int]) -> str:
    """PCI address of a node."""
    location = properties.get("location_id", 0)
    return f"{properties.get('domain', 0):04x}:{location >> 8 & 0xFF:02x}:{location >> 3 & 0x1F:02x}.{location & 7}"


def read_node(properties: str, banks: Iterable[str], kfd_id: str, index: int) -> Optional[Node]:
    """A node's files → its GPU; None for a CPU, or what is not AMD's."""
    values = parse_properties(properties)
    if not values.get("simd_count") or values.get("vendor_id", AMD_VENDOR) != AMD_VENDOR:
        return None
    gfx = gfx_name(values.get("gfx_target_version", 0))
    memory = [parse_properties(bank) for bank in banks]
    vram = sum(bank.get("size_in_bytes", 0) for bank in memory if bank.get("heap_type") in FRAME_BUFFERS)
    gpu = Gpu(
        vendor=Vendor.AMD,
        name=f"AMD GPU ({gfx})" if gfx else "AMD GPU",
        index=index,
        pci_id=address(values),
        vram_total_mib=vram // MIB if vram else None,
        gfx=gfx,
        integrated=values.get("cpu_cores_count", 0) > 0 or amd_integrated("", gfx),
    )
    return Node(gpu=gpu, device=values.get("device_id", 0), kfd_id=kfd_id.strip())
