"""Every recorded output parses to the facts that were noted beside it: one loader, one row per file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Callable, Dict, List, Mapping

import pytest

from dreamboot.machine.amd.rocm_smi import SmiReading
from dreamboot.machine.amd.rocm_smi import parse_json as parse_rocm_json
from dreamboot.machine.amd.rocm_smi import parse_table as parse_rocm_table
from dreamboot.machine.amd.rocminfo import parse_rocminfo
from dreamboot.machine.nvidia.reading import Reading
from dreamboot.machine.nvidia.smi_csv import parse_csv
from dreamboot.machine.nvidia.smi_errors import parse_errors
from dreamboot.machine.nvidia.smi_list import parse_list
from dreamboot.machine.nvidia.smi_log import parse_log
from dreamboot.machine.nvidia.smi_table import parse_table
from dreamboot.machine.nvidia.smi_version import parse_version
from dreamboot.machine.nvidia.smi_xml import parse_xml
from dreamboot.machine.pci import PciDevice, parse_lspci
from dreamboot.machine.windows_displays import Adapter, parse_wmi
from dreamboot.model import Gpu, Vendor

CAPTURES = Path(__file__).resolve().parents[2] / "captures"
EXPECTED: Dict[str, Dict[str, Any]] = json.loads((CAPTURES / "expected.json").read_text())

NVIDIA_PARSERS: Dict[str, Callable[[str], Reading]] = {
    "csv": parse_csv,
    "table": parse_table,
    "L": parse_list,
    "version": parse_version,
    "q": parse_log,
    "xml": parse_xml,
}
FAULT_IDS = {
    "driver_library_mismatch": "nvidia-driver-library-mismatch",
    "no_devices": "nvidia-no-devices",
    "nvml_unknown_error_container": "nvidia-container-lost-gpu",
    "wsl_blocked": "nvidia-wsl-blocked",
    "gpu_lost": "nvidia-gpu-lost",
    "nvidia_smi_missing": "nvidia-smi-missing",
    "libnvml_missing": "nvidia-libnvml-missing",
}


def test_every_capture_has_expected_facts_and_the_other_way_round() -> None:
    assert {path.name for path in CAPTURES.glob("*.txt")} == set(EXPECTED)


@pytest.mark.parametrize("name", sorted(EXPECTED))
def test_capture(name: str) -> None:
    expected = EXPECTED[name]
    text = (CAPTURES / name).read_text(encoding="utf-8")
    assert facts(name, expected, text) == wanted(expected)


def facts(name: str, expected: Mapping[str, Any], text: str) -> Dict[str, Any]:
    """What our parser of this kind of output makes of it, in the words and with the keys of expected.json."""
    if "error" in expected:
        return {"error": [fault.id for fault in parse_errors(text)], "gpus": []}
    kind = expected["kind"]
    if kind in NVIDIA_PARSERS:
        return nvidia_facts(expected, NVIDIA_PARSERS[kind](text))
    if kind == "wmi":
        return rows(
            expected, [adapter for adapter in parse_wmi(text) if adapter.vendor is Vendor.NVIDIA], adapter_facts
        )
    if kind == "lspci":
        return rows(expected, [device for device in parse_lspci(text) if device.vendor == 0x10DE], pci_facts)
    if kind == "rocminfo":
        return rows(expected, list(parse_rocminfo(text)), lambda gpu: {"name": gpu.gfx})
    reading = parse_rocm_json(text) if kind == "rocm-smi-json" else parse_rocm_table(text)
    return {
        **rows(expected, list(reading.gpus), amd_facts),
        **({"driver": reading.driver} if "driver" in expected else {}),
    }


def nvidia_facts(expected: Mapping[str, Any], reading: Reading) -> Dict[str, Any]:
    told: Dict[str, Any] = rows(expected, list(reading.gpus), lambda gpu: nvidia_gpu_facts(gpu, reading))
    told.update({"driver": reading.driver, "cuda_version": reading.cuda or None, "mig_devices": len(reading.mig)})
    return {key: told[key] for key in wanted(expected)}


def nvidia_gpu_facts(gpu: Gpu, reading: Reading) -> Dict[str, Any]:
    return {
        "index": gpu.index,
        "name": gpu.name,
        "name_truncated": gpu.name.endswith("..."),
        "driver": reading.driver,
        "vram_mib": gpu.vram_total_mib,
        "compute_cap": gpu.compute_capability,
        # "On" and "Off" are the persistence mode of Linux, which nobody needs.
        "mode": gpu.driver_model,
    }


def adapter_facts(adapter: Adapter) -> Dict[str, Any]:
    return {"name": adapter.name, "vram_mib": adapter.vram_mib, "driver": adapter.nvidia_driver}


def pci_facts(device: PciDevice) -> Dict[str, Any]:
    return {"name": device.name, "pci_id": f"{device.vendor:04x}:{device.device:04x}"}


def amd_facts(gpu: Gpu) -> Dict[str, Any]:
    return {"name": None if gpu.name == "AMD GPU" else gpu.name, "vram_mib": gpu.vram_total_mib}


def rows(expected: Mapping[str, Any], found: List[Any], told: Callable[[Any], Dict[str, Any]]) -> Dict[str, Any]:
    """All that was found, each cut down to the keys that expected.json states."""
    keys = list(expected["gpus"][0]) if expected["gpus"] else []
    return {"gpus": [{key: told(item)[key] for key in keys} for item in found]}


def wanted(expected: Mapping[str, Any]) -> Dict[str, Any]:
    if "error" in expected:
        return {"error": [FAULT_IDS[expected["error"]]], "gpus": []}
    gpus = [
        {**gpu, "mode": gpu["mode"].replace("On", "").replace("Off", "")} if "mode" in gpu else gpu
        for gpu in expected["gpus"]
    ]
    keys = ("driver", "mig_devices") + (("cuda_version",) if expected["kind"] in NVIDIA_PARSERS else ())
    return {"gpus": gpus, **{key: expected[key] for key in keys if key in expected}}


def test_the_lost_gpu_is_a_fault_beside_the_healthy_one() -> None:
    reading = parse_table((CAPTURES / "linux-one-gpu-lost__610.57.04.table.txt").read_text())
    assert [fault.id for fault in reading.faults] == ["nvidia-gpu-lost"]
    assert len(reading.gpus) == 1


def test_healthy_outputs_hold_no_fault() -> None:
    for name, expected in EXPECTED.items():
        if expected.get("kind") in NVIDIA_PARSERS and "lost" not in name:
            assert NVIDIA_PARSERS[expected["kind"]]((CAPTURES / name).read_text()).faults == (), name


def test_processes_that_hold_video_memory() -> None:
    linux = parse_table((CAPTURES / "linux-geforce-rtx-2080-super__610.57.04.table.txt").read_text()).gpus[0]
    assert [(p.pid, p.name, p.vram_mib) for p in linux.processes] == [
        (1720, "/usr/bin/gnome-shell", 173),
        (4556, "/usr/bin/Xwayland", 3),
    ]
    windows = parse_table((CAPTURES / "windows-geforce-rtx-2080-super__610.62.table.txt").read_text()).gpus[0]
    assert len(windows.processes) == 19
    assert windows.processes[0].name == r"C:\Windows\System32\dwm.exe"
    assert windows.processes[0].vram_mib is None  # WDDM does not tell it
    log = parse_log((CAPTURES / "linux-geforce-rtx-4080-super__595.71.05.q.txt").read_text()).gpus[0]
    assert (log.processes[0].pid, log.processes[0].name, log.processes[0].vram_mib) == (
        2165,
        "/usr/bin/kwin_wayland",
        25,
    )
    xml = parse_xml((CAPTURES / "xml-a10g.xml.txt").read_text()).gpus[0]
    assert [(p.pid, p.vram_mib) for p in xml.processes] == [(725, 22)]


def test_mig_devices_are_what_cuda_sees() -> None:
    from dreamboot.machine.nvidia.reading import merge, usable_gpus

    name = "linux-h100-mig__590.48.01"
    table, listed = (CAPTURES / f"{name}.table.txt").read_text(), (CAPTURES / f"{name}.L.txt").read_text()
    gpus = usable_gpus(merge(parse_table(table), parse_list(listed)))
    assert [gpu.name for gpu in gpus] == [
        f"NVIDIA H100 80GB HBM3 MIG {p}" for p in ("3g.40gb", "2g.20gb", "1g.10gb", "1g.10gb")
    ]
    assert [gpu.vram_total_mib for gpu in gpus] == [40448, 20096, 9984, 9984]
    assert all(gpu.mig and gpu.uuid.startswith("MIG-") for gpu in gpus)


def test_amd_captures_tell_the_architecture() -> None:
    reading: SmiReading = parse_rocm_json((CAPTURES / "rocm_smi_json-rx6700xt_rocm612.json.txt").read_text())
    assert reading.gpus[0].gfx == "gfx1031"
    assert reading.gpus[0].vram_free_mib == (12868124672 // 1024**2) - (1572745216 // 1024**2)
    info = parse_rocminfo((CAPTURES / "rocminfo-MI300X_x4.txt").read_text())
    assert [gpu.name for gpu in info] == ["AMD Instinct MI300X"] * 4
    assert info[0].vram_total_mib == 201310208 // 1024
    assert info[0].pci_id == "0000:26:00.0"
