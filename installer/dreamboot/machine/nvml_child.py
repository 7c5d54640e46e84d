"""Child process: asks the NVIDIA driver through NVML, prints one JSON line. A driver may hang or crash; we may not."""

from __future__ import annotations

import json
import sys
from typing import Any, Callable, Dict, List, Optional


def main() -> int:
    """Prints what the driver tells; the exit code is 0 also when the driver answers with an error."""
    import pynvml

    told: Dict[str, Any] = {"driver": "", "cuda": 0, "gpus": [], "error": None}
    try:
        pynvml.nvmlInit()
        told["driver"] = _text(pynvml.nvmlSystemGetDriverVersion())
        told["cuda"] = _ask(pynvml.nvmlSystemGetCudaDriverVersion) or 0
        for index in range(pynvml.nvmlDeviceGetCount()):
            told["gpus"].append(_gpu(pynvml, index))
    except pynvml.NVMLError as error:
        told["error"] = _error(error)
    sys.stdout.write(json.dumps(told) + "\n")
    sys.stdout.flush()
    # Leave without unloading anything: a driver in a bad state crashes there, after all was told.
    import os

    os._exit(0)


def _gpu(nvml: Any, index: int) -> Dict[str, Any]:
    told: Dict[str, Any] = {"index": index}
    try:
        handle = nvml.nvmlDeviceGetHandleByIndex(index)
        told["name"] = _text(nvml.nvmlDeviceGetName(handle))
    except nvml.NVMLError as error:
        told["error"] = _error(error)
        return told
    told.update(_memory(nvml, handle))
    told["uuid"] = _text(_ask(nvml.nvmlDeviceGetUUID, handle))
    told["pci"] = _text(getattr(_ask(nvml.nvmlDeviceGetPciInfo, handle), "busId", ""))
    capability = _ask(nvml.nvmlDeviceGetCudaComputeCapability, handle)
    told["compute_capability"] = ".".join(map(str, capability)) if capability else ""
    told["driver_model"] = _ask(nvml.nvmlDeviceGetCurrentDriverModel, handle)
    told["processes"] = _processes(nvml, handle)
    mode = _ask(nvml.nvmlDeviceGetMigMode, handle)
    told["mig"] = bool(mode and mode[0])
    told["mig_devices"] = _slices(nvml, handle) if told["mig"] else []
    return told


def _memory(nvml: Any, handle: Any) -> Dict[str, Any]:
    memory = _ask(nvml.nvmlDeviceGetMemoryInfo, handle)
    return {"total": int(memory.total), "free": int(memory.free)} if memory is not None else {}


def _slices(nvml: Any, handle: Any) -> List[Dict[str, Any]]:
    found = []
    for place in range(_ask(nvml.nvmlDeviceGetMaxMigDeviceCount, handle) or 0):
        part = _ask(nvml.nvmlDeviceGetMigDeviceHandleByIndex, handle, place)
        if part is not None:
            name, uuid = _ask(nvml.nvmlDeviceGetName, part), _ask(nvml.nvmlDeviceGetUUID, part)
            found.append({"name": _text(name), "uuid": _text(uuid), **_memory(nvml, part)})
    return found


def _processes(nvml: Any, handle: Any) -> List[Dict[str, Any]]:
    found = []
    for kind in ("Compute", "Graphics"):
        # Older drivers know only the older of these functions.
        for version in ("_v3", "_v2"):
            ask = getattr(nvml, f"nvmlDeviceGet{kind}RunningProcesses{version}", None)
            running = _ask(ask, handle) if ask else None
            if running is not None:
                for item in running:
                    name = _text(_ask(nvml.nvmlSystemGetProcessName, item.pid))
                    found.append({"pid": item.pid, "name": name, "memory": item.usedGpuMemory})
                break
    return found


def _ask(question: Callable[..., Any], *arguments: Any) -> Optional[Any]:
    """One fact, None where this driver or GPU does not tell it."""
    import pynvml

    try:
        return question(*arguments)
    except (pynvml.NVMLError, AttributeError):
        return None


def _error(error: Any) -> Dict[str, Any]:
    return {"code": int(error.value), "text": str(error)}


def _text(told: Any) -> str:
    return told.decode("utf-8", "replace") if isinstance(told, bytes) else str(told or "")


if __name__ == "__main__":
    raise SystemExit(main())
