"""AMD GPUs: the kernel's files first (no program is started), AMD's tools where those are silent, Windows' registry."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Dict, List, Optional, Tuple

from dreamboot.machine.amd.kfd import Node, read_node
from dreamboot.machine.amd.naming import read_names
from dreamboot.machine.amd.rocm_smi import parse_json, parse_table
from dreamboot.machine.amd.rocminfo import parse_rocminfo
from dreamboot.machine.asking import Asking, Facts
from dreamboot.machine.names import amd_integrated
from dreamboot.machine.pci import AMD, PciDevice, device_names, displays, hexadecimal
from dreamboot.machine.windows_displays import registry_displays
from dreamboot.model import Driver, Fault, Gpu, GpuProcess, Vendor

NODES = "/sys/class/kfd/kfd/topology/nodes"
PROCESSES = "/sys/class/kfd/kfd/proc"
MIB = 1024 * 1024


def probe(asking: Asking) -> Facts:
    """gpus, drivers, faults of AMD."""
    if asking.system == "windows":
        return _windows(asking)
    if asking.system == "macos":
        return {}
    devices = {device.address: device for device in displays(asking, AMD)}
    nodes = _nodes(asking)
    if not devices and not nodes:
        return _tools(asking)
    gpus = _named(asking, nodes, devices)
    return {"gpus": gpus, "drivers": _drivers(asking), "faults": _faults(asking, devices, nodes)}


def _nodes(asking: Asking) -> List[Node]:
    found: List[Node] = []
    for name in sorted(asking.host.list_dir(Path(NODES)), key=lambda text: int(text) if text.isdigit() else 0):
        folder = f"{NODES}/{name}"
        text = asking.host.read_text(Path(f"{folder}/properties")) or ""
        if "simd_count" not in text:
            continue
        banks = [
            asking.host.read_text(Path(f"{folder}/mem_banks/{bank}/properties")) or ""
            for bank in asking.host.list_dir(Path(f"{folder}/mem_banks"))
        ]
        node = read_node(text, banks, asking.host.read_text(Path(f"{folder}/gpu_id")) or "", len(found))
        if node is not None:
            asking.note(folder)
            found.append(node)
    return found


def _named(asking: Asking, nodes: List[Node], devices: Dict[str, PciDevice]) -> Tuple[Gpu, ...]:
    """GPUs of the compute topology, then display adapters that are not in it."""
    listed = {node.gpu.pci_id for node in nodes}
    all_nodes = list(nodes)
    for address, device in devices.items():
        if address not in listed:
            gpu = Gpu(vendor=Vendor.AMD, name="AMD GPU", index=len(all_nodes), pci_id=address)
            all_nodes.append(Node(gpu=gpu, device=device.device))
    names = read_names(asking)
    models: Dict[int, str] = {}
    processes = _processes(asking)
    gpus = []
    for node in all_nodes:
        folder = f"/sys/bus/pci/devices/{node.gpu.pci_id}"
        revision = hexadecimal(asking.word(f"{folder}/revision"))
        name = names.get((node.device, revision)) or asking.word(f"{folder}/product_name")
        if not name:
            models = models or device_names(asking, AMD) or {-1: ""}
            name = models.get(node.device) or node.gpu.name
        total, used = (_mib(asking.word(f"{folder}/mem_info_vram_{kind}")) for kind in ("total", "used"))
        total = node.gpu.vram_total_mib if total is None else total
        gpus.append(
            dataclasses.replace(
                node.gpu,
                name=name,
                vram_total_mib=total,
                vram_free_mib=max(0, total - used) if total is not None and used is not None else None,
                integrated=node.gpu.integrated or (not node.gpu.gfx and amd_integrated(name, "")),
                processes=processes.get(node.kfd_id, ()),
            )
        )
    return tuple(gpus)


def _processes(asking: Asking) -> Dict[str, Tuple[GpuProcess, ...]]:
    """Number of the GPU → processes that hold its memory."""
    found: Dict[str, List[GpuProcess]] = {}
    for pid in asking.host.list_dir(Path(PROCESSES)):
        for name in asking.host.list_dir(Path(f"{PROCESSES}/{pid}")) if pid.isdigit() else ():
            size = _mib(asking.host.read_text(Path(f"{PROCESSES}/{pid}/{name}")) or "")
            if name.startswith("vram_") and size:
                program = (asking.host.read_text(Path(f"/proc/{pid}/comm")) or "").strip()
                found.setdefault(name[5:], []).append(GpuProcess(pid=int(pid), name=program, vram_mib=size))
    return {number: tuple(processes) for number, processes in found.items()}


def _drivers(asking: Asking) -> Tuple[Driver, ...]:
    """amdgpu: the separately installed one has a version of its own, the kernel's has the kernel's."""
    if not asking.exists("/sys/module/amdgpu"):
        return ()
    version = asking.word("/sys/module/amdgpu/version") or f"linux {asking.word('/proc/sys/kernel/osrelease')}"
    return (Driver(vendor=Vendor.AMD, version=version),)


def _faults(asking: Asking, devices: Dict[str, PciDevice], nodes: List[Node]) -> Tuple[Fault, ...]:
    listed = ", ".join(f"{device.address}: {device.driver or 'no driver'}" for device in devices.values())
    if not asking.exists("/sys/module/amdgpu"):
        return (_fault("amd-driver-not-running", "there is an AMD GPU, but its driver amdgpu is not loaded", listed),)
    if not asking.exists("/dev/kfd"):
        cause = (
            "the compute device /dev/kfd is missing: the kernel's amdgpu has no compute support for this GPU, or this "
            "container was started without --device=/dev/kfd --device=/dev/dri"
        )
        return (_fault("amd-compute-device-missing", cause, f"{len(nodes)} GPUs in the topology, no /dev/kfd"),)
    if asking.host.read_bytes(Path("/dev/kfd"), 0) is None:
        cause = "this user may not open /dev/kfd: it belongs to the groups render and video"
        return (_fault("amd-no-permission", cause, "/dev/kfd can't be opened"),)
    return ()


def _fault(identity: str, cause: str, evidence: str) -> Fault:
    return Fault(id=identity, cause=cause, evidence=evidence, vendor=Vendor.AMD)


def _tools(asking: Asking) -> Facts:
    """Where the kernel shows nothing (ROCm in WSL), AMD's programs may know more."""
    rocminfo, smi = _tool(asking, "rocminfo"), _tool(asking, "rocm-smi")
    if rocminfo:
        gpus = parse_rocminfo(asking.run(rocminfo, timeout=3.0).stdout)
        if gpus:
            return {"gpus": gpus}
    if not smi:
        return {}
    wanted = ("--showproductname", "--showmeminfo", "vram", "--showdriverversion", "--showbus", "--showuniqueid")
    reading = parse_json(asking.run(smi, *wanted, "--json", timeout=3.0).stdout)
    if not reading.gpus:
        reading = parse_table(asking.run(smi, timeout=3.0).stdout)
    return {"gpus": reading.gpus, "drivers": reading.drivers}


def _tool(asking: Asking, name: str) -> str:
    installed = f"/opt/rocm/bin/{name}"
    return asking.host.which(name) or (installed if asking.exists(installed) else "")


def _windows(asking: Asking) -> Facts:
    adapters = [adapter for adapter in registry_displays(asking) if adapter.vendor is Vendor.AMD]
    gpus = tuple(
        Gpu(
            vendor=Vendor.AMD,
            name=adapter.name,
            index=index,
            vram_total_mib=adapter.vram_mib,
            integrated=amd_integrated(adapter.name, ""),
        )
        for index, adapter in enumerate(adapters)
    )
    drivers = tuple(Driver(vendor=Vendor.AMD, version=adapter.driver) for adapter in adapters[:1] if adapter.driver)
    return {"gpus": gpus, "drivers": drivers}


def _mib(text: str) -> Optional[int]:
    text = text.strip()
    return int(text) // MIB if text.isascii() and text.isdigit() and len(text) <= 24 else None
