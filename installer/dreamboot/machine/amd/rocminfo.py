"""`rocminfo`: architecture, marketing name and memory of each agent."""

from __future__ import annotations

import re
from typing import List, Optional, Tuple

from dreamboot.machine.names import amd_integrated
from dreamboot.model import Gpu, Vendor

KIB = 1024


def parse_rocminfo(text: str) -> Tuple[Gpu, ...]:
    """The agents that are GPUs, in the order in which HIP numbers them."""
    gpus: List[Gpu] = []
    for block in re.split(r"^\*+\s*\n^Agent \d+", text, flags=re.M)[1:]:
        if _field(block, "Device Type") == "GPU":
            gpus.append(_gpu(block, len(gpus)))
    return tuple(gpus)


def _field(block: str, name: str) -> str:
    match = re.search(rf"^  {name}:[ \t]+(\S.*?)[ \t]*$", block, re.M)
    return match.group(1) if match else ""


def _gpu(block: str, index: int) -> Gpu:
    gfx = _field(block, "Name")
    marketing = _field(block, "Marketing Name")
    uuid = _field(block, "Uuid")
    return Gpu(
        vendor=Vendor.AMD,
        name=marketing or f"AMD GPU ({gfx})",
        index=index,
        uuid="" if uuid.endswith("XX") else uuid,
        pci_id=_address(block),
        vram_total_mib=_memory(block),
        gfx=gfx if gfx.startswith("gfx") else "",
        integrated=amd_integrated(marketing, gfx if gfx.startswith("gfx") else ""),
    )


def _memory(block: str) -> Optional[int]:
    """The largest global pool: the card's memory."""
    sizes = re.findall(r"Segment: +GLOBAL;[^\n]*\n +Size: +(\d{1,18})\(", block)
    return max(map(int, sizes)) // KIB if sizes else None


def _address(block: str) -> str:
    number, domain = _field(block, "BDFID"), _field(block, "Domain")
    if not re.fullmatch(r"\d{1,9}", number):
        return ""
    place = int(number)
    segment = int(domain) if re.fullmatch(r"\d{1,5}", domain) else 0
    return f"{segment:04x}:{place >> 8 & 0xFF:02x}:{place >> 3 & 0x1F:02x}.{place & 7}"
