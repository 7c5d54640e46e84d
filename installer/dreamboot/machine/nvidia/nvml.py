"""The JSON of the NVML child → a reading."""

from __future__ import annotations

import json
from typing import Any, List, Mapping, Optional, Tuple

from dreamboot.machine.nvidia.reading import MigDevice, Reading
from dreamboot.machine.nvidia.smi_errors import fault_of_code
from dreamboot.model import Fault, Gpu, GpuProcess, Vendor

MIB = 1024 * 1024
# NVML_DRIVER_WDDM, NVML_DRIVER_WDM, NVML_DRIVER_MCDM (nvml.h).
DRIVER_MODELS = {0: "WDDM", 1: "TCC", 2: "MCDM"}


def parse_nvml(text: str) -> Optional[Reading]:
    """What the child printed; None when it is not whole (the child was ended or crashed in between)."""
    try:
        told = json.loads(text.strip().splitlines()[-1])
        gpus = [item for item in told["gpus"] if "name" in item]
        return Reading(
            driver=str(told["driver"]),
            cuda=cuda_version(int(told["cuda"])),
            gpus=tuple(_gpu(item) for item in gpus),
            mig=tuple(part for item in gpus for part in _mig(item)),
            faults=_faults(told),
        )
    except (ValueError, KeyError, TypeError, IndexError, AttributeError, OverflowError, RecursionError):
        return None


def cuda_version(number: int) -> str:
    """12040 → "12.4"; "" for 0, which a driver without CUDA tells."""
    return f"{number // 1000}.{number % 1000 // 10}" if number > 0 else ""


def _gpu(item: Mapping[str, Any]) -> Gpu:
    return Gpu(
        vendor=Vendor.NVIDIA,
        name=str(item["name"]),
        index=int(item["index"]),
        uuid=str(item.get("uuid") or ""),
        pci_id=str(item.get("pci") or ""),
        vram_total_mib=_mib(item.get("total")),
        vram_free_mib=_mib(item.get("free")),
        compute_capability=str(item.get("compute_capability") or ""),
        driver_model=DRIVER_MODELS.get(item.get("driver_model", -1), ""),
        mig=bool(item.get("mig")),
        processes=_processes(item.get("processes") or []),
    )


def _mig(item: Mapping[str, Any]) -> List[MigDevice]:
    return [
        MigDevice(
            gpu=int(item["index"]),
            # "NVIDIA H100 80GB HBM3 MIG 3g.40gb": the profile is what follows the card's own name.
            profile=str(part.get("name") or "").partition(" MIG ")[2],
            uuid=str(part.get("uuid") or ""),
            vram_total_mib=_mib(part.get("total")),
            vram_free_mib=_mib(part.get("free")),
        )
        for part in item.get("mig_devices") or []
    ]


def _processes(items: List[Mapping[str, Any]]) -> Tuple[GpuProcess, ...]:
    """One entry per process: NVML lists a program that computes and draws twice."""
    found = {
        int(item["pid"]): GpuProcess(
            pid=int(item["pid"]), name=str(item.get("name") or ""), vram_mib=_mib(item.get("memory"))
        )
        for item in items
    }
    return tuple(found.values())


def _faults(told: Mapping[str, Any]) -> Tuple[Fault, ...]:
    errors = [told["error"]] if told.get("error") else []
    errors += [item["error"] for item in told["gpus"] if item.get("error")]
    faults = [fault_of_code(int(error["code"]), str(error["text"])) for error in errors]
    if not errors and not told["gpus"]:
        faults = [fault_of_code(6, "the driver counts 0 devices")]
    return tuple(faults)


def _mib(size: Any) -> Optional[int]:
    return int(size) // MIB if isinstance(size, int) else None
