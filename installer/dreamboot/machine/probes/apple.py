"""Apple's own processors, whose GPU shares the main memory. An Intel Mac's GPU has no PyTorch build."""

from __future__ import annotations

import re
from typing import Optional

from dreamboot.machine.asking import Asking, Facts
from dreamboot.model import Gpu, Vendor

MIB = 1024 * 1024
VALUES = ("machdep.cpu.brand_string", "hw.memsize", "hw.optional.arm64")


def probe(asking: Asking) -> Facts:
    """gpus of an M-series machine."""
    if asking.system != "macos":
        return {}
    gpu = parse_sysctl(asking.run("sysctl", *VALUES).stdout)
    return {"gpus": (gpu,)} if gpu is not None else {}


def parse_sysctl(text: str) -> Optional[Gpu]:
    """ "name: value" lines → the GPU, None on an Intel Mac. Its memory is the machine's."""
    values = {}
    for line in text.splitlines():
        name, colon, told = line.partition(":")
        if colon:
            values[name.strip()] = told.strip()
    chip = values.get("machdep.cpu.brand_string", "")
    if not chip.startswith("Apple"):
        return None
    memory = values.get("hw.memsize", "")
    total = int(memory) // MIB if re.fullmatch(r"\d{1,18}", memory) else None
    return Gpu(vendor=Vendor.APPLE, name=chip, vram_total_mib=total, integrated=True)
