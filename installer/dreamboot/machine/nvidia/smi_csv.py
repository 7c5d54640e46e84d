"""`nvidia-smi --query-gpu=… --format=csv`: columns by the names in its header."""

from __future__ import annotations

import re
from typing import Dict, List

from dreamboot.machine.nvidia.reading import Reading, number, said, version
from dreamboot.machine.nvidia.smi_errors import parse_errors
from dreamboot.model import Gpu, Vendor

# Drivers before 510 do not know compute_cap, before 450 not mig.mode.current; the probe drops what is refused.
FIELDS = (
    "index", "name", "uuid", "pci.bus_id", "driver_version", "memory.total", "memory.free", "compute_cap",
    "driver_model.current", "mig.mode.current",
)  # fmt: skip


def refused_field(text: str) -> str:
    """The field that an older nvidia-smi does not know, "" when it refused none."""
    match = re.search(r'Field "([\w.]+)" is not a valid field', text)
    return match.group(1) if match else ""


def parse_csv(text: str) -> Reading:
    """CSV with header → GPUs; lines before the header are looked through for errors."""
    lines = [line for line in text.splitlines() if line.strip()]
    start = next((place for place, line in enumerate(lines) if _is_header(line)), None)
    if start is None:
        return Reading(faults=parse_errors(text))
    header = [re.sub(r"\s*\[.*\]$", "", cell.strip()) for cell in lines[start].split(",")]
    rows = [dict(zip(header, (cell.strip() for cell in line.split(",")))) for line in lines[start + 1 :]]
    gpus = [_gpu(row, place) for place, row in enumerate(rows) if said(row.get("name"))]
    drivers = [version(row.get("driver_version")) or version(row.get("kmd_version")) for row in rows]
    return Reading(
        driver=next(filter(None, drivers), ""),
        gpus=tuple(gpus),
        faults=parse_errors("\n".join(_not_rows(lines, start))),
    )


def _is_header(line: str) -> bool:
    cells = [cell.strip().split(" ")[0] for cell in line.split(",")]
    return "name" in cells and ("index" in cells or "driver_version" in cells or "memory.total" in cells)


def _not_rows(lines: List[str], start: int) -> List[str]:
    return lines[:start] + [line for line in lines[start + 1 :] if "," not in line]


def _gpu(row: Dict[str, str], place: int) -> Gpu:
    index = said(row.get("index"))
    return Gpu(
        vendor=Vendor.NVIDIA,
        name=said(row.get("name")),
        index=int(index) if re.fullmatch(r"\d{1,4}", index) else place,
        uuid=said(row.get("uuid")),
        pci_id=said(row.get("pci.bus_id")),
        vram_total_mib=number(row.get("memory.total")),
        vram_free_mib=number(row.get("memory.free")),
        compute_capability=version(row.get("compute_cap")),
        driver_model=said(row.get("driver_model.current")),
        mig=said(row.get("mig.mode.current")) == "Enabled",
    )
