"""`nvidia-smi -q -x`: the same as the long text, as XML."""

from __future__ import annotations

from typing import Any, List, Tuple

from dreamboot.machine.nvidia.reading import MigDevice, Reading, number, process, said, version
from dreamboot.machine.nvidia.smi_errors import parse_errors
from dreamboot.model import Gpu, GpuProcess, Vendor


def parse_xml(text: str) -> Reading:
    """The XML log → driver, CUDA, GPUs, MIG devices and processes; malformed text gives what its errors tell."""
    from xml.etree import ElementTree as ET

    start = text.find("<nvidia_smi_log")
    try:
        # From the root element on: the document type before it names a file that nobody needs. Nothing is expanded,
        # since without a document type there are no entities.
        root = ET.fromstring(text[start:]) if start >= 0 else None  # noqa: S314
    except ET.ParseError:
        root = None
    if root is None:
        return Reading(faults=parse_errors(text))
    elements = root.findall("gpu")
    return Reading(
        driver=version(_text(root, "kmd_version")) or version(_text(root, "driver_version")),
        cuda=version(_text(root, "cuda_umd_version")) or version(_text(root, "cuda_version")),
        gpus=tuple(_gpu(place, element) for place, element in enumerate(elements)),
        mig=tuple(part for place, element in enumerate(elements) for part in _mig(place, element)),
        faults=parse_errors(text[:start]),
    )


def _text(element: Any, path: str) -> str:
    return element.findtext(path) or ""


def _gpu(place: int, element: Any) -> Gpu:
    return Gpu(
        vendor=Vendor.NVIDIA,
        name=said(_text(element, "product_name")),
        index=place,
        uuid=said(_text(element, "uuid")),
        pci_id=said(_text(element, "pci/pci_bus_id")) or element.get("id", ""),
        vram_total_mib=number(_text(element, "fb_memory_usage/total")),
        vram_free_mib=number(_text(element, "fb_memory_usage/free")),
        driver_model=said(_text(element, "driver_model/current_dm")),
        mig=said(_text(element, "mig_mode/current_mig")) == "Enabled",
        processes=_processes(element),
    )


def _mig(place: int, element: Any) -> List[MigDevice]:
    return [
        MigDevice(
            gpu=place,
            vram_total_mib=number(_text(part, "fb_memory_usage/total")),
            vram_free_mib=number(_text(part, "fb_memory_usage/free")),
        )
        for part in element.findall("mig_devices/mig_device")
    ]


def _processes(element: Any) -> Tuple[GpuProcess, ...]:
    found = [
        process(_text(item, "pid"), _text(item, "process_name"), _text(item, "used_memory"))
        for item in element.findall("processes/process_info")
    ]
    return tuple(one for one in found if one is not None)
