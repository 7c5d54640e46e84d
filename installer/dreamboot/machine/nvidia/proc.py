"""What the kernel module says in /proc, also when its libraries are missing or the driver's tools fail."""

from __future__ import annotations

import re
from typing import Optional

from dreamboot.machine.nvidia.reading import said
from dreamboot.model import Gpu, Vendor


def parse_proc_version(text: str) -> str:
    """`/proc/driver/nvidia/version` → the driver's version, for the closed and the open kernel module."""
    match = re.search(r"Kernel Module(?: for \w+)?\s+(\d+\.\d+(?:\.\d+)?)", text)
    return match.group(1) if match else ""


def parse_information(text: str, index: int) -> Optional[Gpu]:
    """`/proc/driver/nvidia/gpus/BUS/information` → a GPU without sizes; None when it names no model."""
    values = {}
    for line in text.splitlines():
        name, colon, told = line.partition(":")
        if colon:
            values[name.strip().lower()] = told.strip()
    model = said(values.get("model"))
    if not model or model.lower() == "unknown":
        return None
    uuid = values.get("gpu uuid", "")
    return Gpu(
        vendor=Vendor.NVIDIA,
        name=model,
        index=index,
        uuid="" if "?" in uuid else uuid,
        pci_id=values.get("bus location", ""),
    )
