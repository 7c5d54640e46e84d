"""Intel GPUs. A display adapter alone is no compute device: only Arc, Core Ultra and the data-centre cards are."""

from __future__ import annotations

import re
from typing import Dict, List, Optional, Tuple

from dreamboot.machine.asking import Asking, Facts
from dreamboot.machine.names import intel_kind
from dreamboot.machine.pci import INTEL, PciDevice, device_names, displays
from dreamboot.machine.probes.cpu import cpu_name
from dreamboot.machine.windows_displays import registry_displays
from dreamboot.model import Driver, Fault, Gpu, Vendor

MIB = 1024 * 1024
# Intel's compute runtime: PyTorch's XPU builds bring everything but this.
RUNTIME = "libze_intel_gpu.so.1"
RUNTIME_FOLDERS = ("/usr/lib/x86_64-linux-gnu", "/usr/lib64", "/usr/lib", "/usr/local/lib", "/usr/lib/wsl/lib")


def probe(asking: Asking) -> Facts:
    """gpus, drivers, faults of Intel."""
    if asking.system == "windows":
        return _windows(asking)
    devices = displays(asking, INTEL) if asking.system == "linux" else ()
    if not devices:
        return {}
    names = device_names(asking, INTEL)
    gpus = tuple(_gpu(asking, device, names, index) for index, device in enumerate(devices))
    loaded = sorted({device.driver for device in devices if device.driver in ("i915", "xe")})
    release = asking.word("/proc/sys/kernel/osrelease")
    drivers = tuple(Driver(vendor=Vendor.INTEL, version=f"{name}, linux {release}") for name in loaded)
    return {"gpus": gpus, "drivers": drivers, "faults": _faults(asking, gpus, loaded)}


def _gpu(asking: Asking, device: PciDevice, names: Dict[int, str], index: int) -> Gpu:
    kind = intel_kind("", device.device)
    name = names.get(device.device) or f"Intel device {device.vendor:04x}:{device.device:04x}"
    return Gpu(
        vendor=Vendor.INTEL,
        name=name if "intel" in name.lower() else f"Intel {name}",
        index=index,
        pci_id=device.address,
        vram_total_mib=None if kind.integrated else _memory(asking, device.address),
        integrated=kind.integrated,
        usable=kind.usable,
    )


def _memory(asking: Asking, address: str) -> Optional[int]:
    """A card's memory: the xe driver tells it; with a resizable BAR the size of region 2 is the same."""
    folder = f"/sys/bus/pci/devices/{address}"
    told = asking.word(f"{folder}/tile0/physical_vram_size_bytes")
    size = int(told, 0) if re.fullmatch(r"(0x[0-9a-fA-F]{1,16}|\d{1,18})", told) else None
    if size is None:
        size = region_size(asking.word(f"{folder}/resource"), 2)
    # Without a resizable BAR the region is a window of 256 MiB, which says nothing about the card.
    return size // MIB if size and size > 1024 * MIB else None


def region_size(text: str, region: int) -> Optional[int]:
    """Bytes of one region in a PCI `resource` file: a line "begin end flags" per region."""
    lines = text.splitlines()
    match = re.match(r"0x([0-9a-f]{1,16}) 0x([0-9a-f]{1,16}) ", lines[region]) if region < len(lines) else None
    if match is None:
        return None
    begin, end = (int(number, 16) for number in match.groups())
    return end - begin + 1 if end > begin else None


def _faults(asking: Asking, gpus: Tuple[Gpu, ...], loaded: List[str]) -> Tuple[Fault, ...]:
    if not any(gpu.usable for gpu in gpus):
        return ()
    if not loaded:
        cause = "there is an Intel GPU, but neither of its drivers (i915, xe) is loaded"
        return (Fault(id="intel-driver-not-running", cause=cause, vendor=Vendor.INTEL),)
    if not any(asking.exists(f"{folder}/{RUNTIME}") for folder in RUNTIME_FOLDERS):
        cause = "Intel's compute runtime is not installed: PyTorch then sees no XPU"
        return (Fault(id="intel-compute-runtime-missing", cause=cause, evidence=RUNTIME, vendor=Vendor.INTEL),)
    return ()


def _windows(asking: Asking) -> Facts:
    adapters = [adapter for adapter in registry_displays(asking) if adapter.vendor is Vendor.INTEL]
    cpu = cpu_name(asking) if any(adapter.device is None for adapter in adapters) else ""
    gpus = []
    for index, adapter in enumerate(adapters):
        kind = intel_kind(adapter.name, adapter.device, cpu)
        gpus.append(
            Gpu(
                vendor=Vendor.INTEL,
                name=adapter.name,
                index=index,
                vram_total_mib=None if kind.integrated else adapter.vram_mib,
                integrated=kind.integrated,
                usable=kind.usable,
            )
        )
    drivers = tuple(Driver(vendor=Vendor.INTEL, version=adapter.driver) for adapter in adapters[:1] if adapter.driver)
    return {"gpus": tuple(gpus), "drivers": drivers}
