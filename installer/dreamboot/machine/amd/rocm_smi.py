"""`rocm-smi`: its JSON, whose keys changed their spelling over the releases, and its plain table."""

from __future__ import annotations

import json
import re
from typing import Any, Dict, List, Mapping, Optional, Tuple

from dreamboot.machine.names import amd_integrated
from dreamboot.model import Driver, Gpu, Vendor
from dreamboot.values import value

MIB = 1024 * 1024


@value
class SmiReading:
    """GPUs and driver version as rocm-smi tells them."""

    gpus: Tuple[Gpu, ...] = ()
    driver: str = ""

    @property
    def drivers(self) -> Tuple[Driver, ...]:
        """The driver, when its version is known."""
        return (Driver(vendor=Vendor.AMD, version=self.driver),) if self.driver else ()


def parse_json(text: str) -> SmiReading:
    """`rocm-smi … --json`; text around the JSON (warnings) is stepped over."""
    try:
        told = json.loads(text[text.index("{") : text.rindex("}") + 1])
    except (ValueError, RecursionError):
        return SmiReading()
    cards = sorted((name for name in told if re.fullmatch(r"card\d{1,4}", name)), key=lambda name: int(name[4:]))
    gpus = tuple(_gpu(told[name], int(name[4:])) for name in cards if isinstance(told[name], dict))
    system = told.get("system")
    driver = system.get("Driver version", "") if isinstance(system, dict) else ""
    return SmiReading(gpus=gpus, driver=str(driver))


def _gpu(card: Mapping[str, Any], index: int) -> Gpu:
    values: Dict[str, str] = {key.strip().lower(): str(told) for key, told in card.items()}
    name = _said(values.get("card series")) or _said(values.get("device name"))
    gfx = _said(values.get("gfx version"))
    total, used = (_mib(values.get(f"vram total {kind}memory (b)")) for kind in ("", "used "))
    return Gpu(
        vendor=Vendor.AMD,
        name=name or (f"AMD GPU ({gfx})" if gfx else "AMD GPU"),
        index=index,
        uuid=_said(values.get("unique id")),
        pci_id=_said(values.get("pci bus")),
        vram_total_mib=total,
        vram_free_mib=max(0, total - used) if total is not None and used is not None else None,
        gfx=gfx,
        integrated=amd_integrated(name, gfx),
    )


def parse_table(text: str) -> SmiReading:
    """The concise table since ROCm 6: a row per GPU, its name alone on the row below."""
    lines = text.splitlines()
    gpus: List[Gpu] = []
    for place, line in enumerate(lines[:-1]):
        row = re.match(r"^(\d{1,4})\s+\[0x[0-9a-f]+ :", line) or re.match(r"^(\d{1,4})\s+\d+\s+0x[0-9a-f]+,", line)
        name = lines[place + 1].strip()
        if row and name and not re.match(r"^[\d=]", name):
            gpus.append(Gpu(vendor=Vendor.AMD, name=name, index=int(row.group(1)), integrated=amd_integrated(name, "")))
    return SmiReading(gpus=tuple(gpus))


def _said(text: Optional[str]) -> str:
    return "" if (text or "").strip().lower() in ("", "n/a", "none") else (text or "").strip()


def _mib(text: Optional[str]) -> Optional[int]:
    return int(text) // MIB if text and text.isascii() and text.isdigit() and len(text) <= 24 else None
