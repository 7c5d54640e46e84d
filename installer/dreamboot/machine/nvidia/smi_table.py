"""The plain table of `nvidia-smi`, from the layouts of 2019 (418) to those with "KMD" and "CUDA UMD Version" (610)."""

from __future__ import annotations

import re
from typing import Dict, List, Optional

from dreamboot.machine.nvidia.reading import MigDevice, Reading, process, said
from dreamboot.machine.nvidia.smi_errors import parse_errors
from dreamboot.model import Gpu, GpuProcess, Vendor

# No real table is wider; longer lines are no table rows, and slow to look through.
WIDEST = 400
_BANNER = r"NVIDIA-SMI\s+\S+.*?\b(?:Driver|KMD) Version:\s*([\d.]+)(?:.*?\bCUDA(?: UMD)? Version:\s*([\d.]+|N/A|ERR!))?"
_NAME_ROW = (
    r"^\|\s*(?P<index>\d{1,3})\s+(?P<name>\S.*?)\s+(?P<mode>On|Off|WDDM|TCC|MCDM|N/A|ERR!)\s*"
    r"\|\s*(?P<bus>[0-9A-Fa-f]{4,8}:[0-9A-Fa-f]{2}:[0-9A-Fa-f]{2}\.\d)"
)
_MEMORY = r"(\d+)MiB\s*/\s*(\d+)MiB"
_MIG_ROW = r"^\|\s*(\d+)\s+(\d+)\s+(\d+)\s+(\d+)\s*\|\s*(\d+)MiB\s*/\s*(\d+)MiB"
_PROCESS = (
    r"^\|\s*(?P<gpu>\d+)\s+(?:(?:N/A|\d+)\s+(?:N/A|\d+)\s+)?(?P<pid>\d+)\s+[CGM+]+\s+(?P<name>\S.*?)\s+"
    r"(?P<memory>\d+MiB|N/A)\s*\|"
)


def parse_table(text: str) -> Reading:
    """The table → driver, newest CUDA, GPUs, MIG devices, processes; error lines around it become faults."""
    banner = re.search(_BANNER, text)
    gpus: List[Gpu] = []
    mig: List[MigDevice] = []
    processes: Dict[int, List[GpuProcess]] = {}
    part = "gpus"
    row: Optional[Dict[str, str]] = None
    lines = [line for line in text.splitlines() if len(line) <= WIDEST]
    for place, line in enumerate(lines):
        if "MIG devices:" in line:
            part = "mig"
        elif "Processes:" in line:
            part = "processes"
        elif part == "gpus":
            match = re.match(_NAME_ROW, line)
            if match:
                gpus.append(_gpu(match.groupdict(), lines[place + 1 : place + 3]))
        elif part == "mig":
            found = re.match(_MIG_ROW, line)
            if found:
                gpu, used, total = int(found.group(1)), int(found.group(5)), int(found.group(6))
                mig.append(MigDevice(gpu=gpu, vram_total_mib=total, vram_free_mib=max(0, total - used)))
        else:
            match = re.match(_PROCESS, line)
            row = match.groupdict() if match else None
            one = process(row["pid"], row["name"], row["memory"].replace("MiB", " MiB")) if row else None
            if row and one:
                processes.setdefault(int(row["gpu"]), []).append(one)
    return Reading(
        driver=banner.group(1) if banner else "",
        cuda=said(banner.group(2)) if banner and banner.group(2) else "",
        gpus=tuple(_with_processes(gpu, processes.get(gpu.index, [])) for gpu in gpus),
        mig=tuple(mig),
        faults=parse_errors("\n".join(line for line in lines if not line.startswith(("|", "+")))),
    )


def _gpu(row: Dict[str, str], below: List[str]) -> Gpu:
    """`below`: the GPU's second and third line; the second holds memory, the third the MIG mode."""
    memory = re.search(_MEMORY, below[0]) if below else None
    mig_cell = below[1].rstrip().rstrip("|").split("|")[-1].strip() if len(below) > 1 else ""
    total = int(memory.group(2)) if memory else None
    return Gpu(
        vendor=Vendor.NVIDIA,
        name=row["name"],
        index=int(row["index"]),
        pci_id=row["bus"],
        vram_total_mib=total,
        vram_free_mib=max(0, total - int(memory.group(1))) if memory and total is not None else None,
        driver_model=row["mode"] if row["mode"] in ("WDDM", "TCC", "MCDM") else "",
        mig=mig_cell == "Enabled",
    )


def _with_processes(gpu: Gpu, processes: List[GpuProcess]) -> Gpu:
    import dataclasses

    return dataclasses.replace(gpu, processes=tuple(processes)) if processes else gpu
