"""The long text of `nvidia-smi -q`: nesting by indentation, one "name : value" per line."""

from __future__ import annotations

import re
from typing import Dict, List, Optional, Tuple

from dreamboot.machine.nvidia.reading import MigDevice, Reading, number, process, said, version
from dreamboot.machine.nvidia.smi_errors import parse_errors
from dreamboot.model import Gpu, GpuProcess, Vendor

Line = Tuple[Tuple[str, ...], str]
"""(titles that the line stands under and its own name, value)."""


def parse_log(text: str) -> Reading:
    """The log → driver, CUDA, GPUs, MIG devices and processes."""
    top: Dict[str, str] = {}
    gpus: List[Gpu] = []
    mig: List[MigDevice] = []
    head, *blocks = re.split(r"^GPU (?=[0-9A-Fa-f]{4,8}:)", text, flags=re.M)
    for path, told in _lines(head):
        top[path[-1].lower()] = told
    for place, block in enumerate(blocks):
        lines = _lines(block.partition("\n")[2])
        gpus.append(_gpu(place, block.split(None, 1)[0] if block.split() else "", lines))
        mig += _mig(place, lines)
    return Reading(
        driver=version(top.get("kmd version")) or version(top.get("driver version")),
        cuda=version(top.get("cuda umd version")) or version(top.get("cuda version")),
        gpus=tuple(gpu for gpu in gpus if gpu.name),
        mig=tuple(mig),
        faults=() if gpus else parse_errors(text),
    )


def _lines(text: str) -> List[Line]:
    titles: List[Tuple[int, str]] = []
    found: List[Line] = []
    for line in text.splitlines():
        if not line.strip():
            continue
        depth = len(line) - len(line.lstrip())
        titles = [title for title in titles if title[0] < depth]
        name, colon, told = line.partition(" : ")
        if not colon and line.rstrip().endswith(" :"):
            name, colon = line.rstrip()[:-2], ":"
        found.append(((*(title for _, title in titles), name.strip()), told.strip()))
        # "Process ID : 1720" has its details indented below it, so every line may be a title.
        titles.append((depth, name.strip()))
        if len(titles) > 12:
            return found
    return found


def _one(lines: List[Line], *path: str) -> Optional[str]:
    return next((told for where, told in lines if where == path), None)


def _gpu(place: int, bus: str, lines: List[Line]) -> Gpu:
    return Gpu(
        vendor=Vendor.NVIDIA,
        name=said(_one(lines, "Product Name")),
        index=place,
        uuid=said(_one(lines, "GPU UUID")),
        pci_id=bus.strip(),
        vram_total_mib=number(_one(lines, "FB Memory Usage", "Total")),
        vram_free_mib=number(_one(lines, "FB Memory Usage", "Free")),
        driver_model=said(_one(lines, "Driver Model", "Current")),
        mig=said(_one(lines, "MIG Mode", "Current")) == "Enabled",
        processes=_processes(lines),
    )


def _mig(gpu: int, lines: List[Line]) -> List[MigDevice]:
    sizes = {"Total": [], "Free": []}  # type: Dict[str, List[Optional[int]]]
    for where, told in lines:
        if len(where) == 3 and where[0] == "MIG Device" and where[1] == "Shared FB Memory Usage" and where[2] in sizes:
            sizes[where[2]].append(number(told))
    return [
        MigDevice(gpu=gpu, vram_total_mib=total, vram_free_mib=free)
        for total, free in zip(sizes["Total"], sizes["Free"])
    ]


def _processes(lines: List[Line]) -> Tuple[GpuProcess, ...]:
    found: List[GpuProcess] = []
    pid = name = ""
    for where, told in lines:
        if where[-1] == "Process ID":
            pid, name = told, ""
        elif where[-1] == "Name" and pid:
            name = told
        elif where[-1] == "Used GPU Memory" and pid:
            one = process(pid, name, told)
            found += [one] if one else []
            pid = ""
    return tuple(found)
