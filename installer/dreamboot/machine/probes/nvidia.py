"""NVIDIA GPUs: NVML in a child process, then nvidia-smi in its several forms, then the kernel's files."""

from __future__ import annotations

from pathlib import Path
from typing import Tuple

from dreamboot.machine.asking import Asking, Facts
from dreamboot.machine.children import run_module
from dreamboot.machine.nvidia.nvml import parse_nvml
from dreamboot.machine.nvidia.proc import parse_information, parse_proc_version
from dreamboot.machine.nvidia.reading import Reading, drivers, merge, uncut, usable_gpus
from dreamboot.machine.nvidia.signs import WSL_FOLDER, Signs, look
from dreamboot.machine.nvidia.smi_csv import FIELDS, parse_csv, refused_field
from dreamboot.machine.nvidia.smi_errors import ended_badly, parse_errors
from dreamboot.machine.nvidia.smi_list import parse_list
from dreamboot.machine.nvidia.smi_table import parse_table
from dreamboot.machine.nvidia.smi_version import parse_version
from dreamboot.machine.nvidia.smi_xml import parse_xml
from dreamboot.machine.pci import NVIDIA, device_names
from dreamboot.machine.windows_displays import registry_displays
from dreamboot.model import Fault, Gpu, Vendor

# NVML answers in 20-200 ms; the rest of the probe's time is left for nvidia-smi, should NVML hang.
NVML_SECONDS = 2.2
SMI_SECONDS = 2.0
MOST_REFUSED = 4
# Kernel drivers that hold an NVIDIA GPU without being NVIDIA's.
OTHER_DRIVERS = {
    "nouveau": "the open driver nouveau drives the GPU; CUDA needs NVIDIA's own driver",
    "vfio-pci": "the GPU is set aside for a virtual machine (vfio-pci)",
}


def probe(asking: Asking) -> Facts:
    """gpus, drivers, faults of NVIDIA."""
    signs = look(asking)
    if asking.system == "windows" and not signs.any:
        # Without a driver there is no library, but Windows still lists the card.
        return _facts(_from_registry(asking))
    if asking.system == "macos" or not signs.any:
        return {}
    reading = _ask(asking, signs)
    if not reading.gpus:
        reading = merge(reading, _from_registry(asking) if asking.system == "windows" else _from_kernel(asking, signs))
    return _facts(reading)


def _facts(reading: Reading) -> Facts:
    return {"gpus": usable_gpus(reading), "drivers": drivers(reading), "faults": reading.faults + uncut(reading)}


def _ask(asking: Asking, signs: Signs) -> Reading:
    """NVML, and nvidia-smi for what NVML did not tell."""
    reading = _nvml(asking) if signs.library or signs.kernel else Reading()
    if reading.gpus or not signs.tool:
        return reading
    told = _smi(asking, signs.tool)
    # NVML and nvidia-smi say the same; where the second got through, the first one's trouble stays as a fact.
    return merge(told, reading) if told.found else merge(reading, told)


def _nvml(asking: Asking) -> Reading:
    # A WSL without NVIDIA's ld.so entry finds the library only when told where it is.
    search = ":".join(filter(None, [asking.environ.get("LD_LIBRARY_PATH", ""), WSL_FOLDER]))
    variables = {"LD_LIBRARY_PATH": search} if asking.exists(WSL_FOLDER) else {}
    answer = run_module(asking, "dreamboot.machine.nvml_child", timeout=NVML_SECONDS, **variables)
    reading = parse_nvml(answer.stdout)
    if reading is not None:
        return reading
    fault = ended_badly(answer.returncode, answer.timed_out)
    return Reading(faults=(fault,) if fault else parse_errors(answer.stderr))


def _smi(asking: Asking, tool: str) -> Reading:
    """The query and the table side by side: only the table tells the newest CUDA, only the query the rest."""
    query, table = asking.together([lambda: _query(asking, tool), lambda: _table(asking, tool)])
    reading = merge(query or Reading(), table or Reading())
    if reading.gpus and any(gpu.mig or gpu.name.endswith("...") for gpu in reading.gpus):
        reading = merge(reading, parse_list(asking.run(tool, "-L", timeout=SMI_SECONDS).stdout))
    if not reading.gpus and asking.remaining() > SMI_SECONDS:
        reading = merge(reading, parse_xml(asking.run(tool, "-q", "-x", timeout=SMI_SECONDS).stdout))
    return reading


def _query(asking: Asking, tool: str) -> Reading:
    fields = list(FIELDS)
    for _ in range(MOST_REFUSED):
        answer = asking.run(tool, f"--query-gpu={','.join(fields)}", "--format=csv", timeout=SMI_SECONDS)
        refused = refused_field(answer.stdout + answer.stderr)
        if refused not in fields:
            break
        fields.remove(refused)
    fault = ended_badly(answer.returncode, answer.timed_out)
    reading = parse_csv(answer.stdout + "\n" + answer.stderr)
    return Reading(faults=(fault,)) if fault and not reading.gpus else reading


def _table(asking: Asking, tool: str) -> Reading:
    answer = asking.run(tool, timeout=SMI_SECONDS)
    reading = parse_table(answer.stdout + "\n" + answer.stderr)
    if reading.cuda or not reading.driver:
        return reading
    return merge(reading, parse_version(asking.run(tool, "--version", timeout=SMI_SECONDS).stdout))


def _from_kernel(asking: Asking, signs: Signs) -> Reading:
    """What /proc and /sys tell when no tool did."""
    driver = parse_proc_version(asking.read("/proc/driver/nvidia/version") or "") or asking.word(
        "/sys/module/nvidia/version"
    )
    folder = "/proc/driver/nvidia/gpus"
    found = [
        parse_information(asking.read(f"{folder}/{bus}/information") or "", index)
        for index, bus in enumerate(asking.host.list_dir(Path(folder)))
    ]
    gpus = tuple(gpu for gpu in found if gpu is not None)
    faults: Tuple[Fault, ...] = ()
    if not driver and signs.devices:
        holder = next((OTHER_DRIVERS[d.driver] for d in signs.devices if d.driver in OTHER_DRIVERS), "")
        faults = (_no_driver(signs, holder),)
    return Reading(driver=driver, gpus=gpus or _bus_gpus(asking, signs), faults=faults)


def _bus_gpus(asking: Asking, signs: Signs) -> Tuple[Gpu, ...]:
    names = device_names(asking, NVIDIA) if signs.devices else {}
    return tuple(
        Gpu(
            vendor=Vendor.NVIDIA,
            name=names.get(device.device, f"NVIDIA device {device.vendor:04x}:{device.device:04x}"),
            index=index,
            pci_id=device.address,
        )
        for index, device in enumerate(signs.devices)
    )


def _no_driver(signs: Signs, holder: str) -> Fault:
    listed = ", ".join(f"{d.address} [{d.vendor:04x}:{d.device:04x}] {d.driver or 'no driver'}" for d in signs.devices)
    return Fault(
        id="nvidia-driver-not-installed",
        vendor=Vendor.NVIDIA,
        cause=holder or "there is an NVIDIA GPU on the bus, but no NVIDIA driver runs",
        evidence=listed,
    )


def _from_registry(asking: Asking) -> Reading:
    adapters = [adapter for adapter in registry_displays(asking) if adapter.vendor is Vendor.NVIDIA]
    gpus = tuple(
        Gpu(vendor=Vendor.NVIDIA, name=adapter.name, index=index, vram_total_mib=adapter.vram_mib)
        for index, adapter in enumerate(adapters)
    )
    return Reading(driver=next((adapter.nvidia_driver for adapter in adapters), ""), gpus=gpus)
