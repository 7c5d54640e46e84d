"""Display adapters as Windows lists them: the registry, `wmic` and PowerShell's tables."""

from __future__ import annotations

import re
from typing import Dict, List, Optional, Tuple

from dreamboot.machine.asking import Asking
from dreamboot.machine.names import vendor_of
from dreamboot.machine.pci import AMD, INTEL, NVIDIA
from dreamboot.machine.registry import parse_registry, query
from dreamboot.model import Vendor
from dreamboot.values import value

# The class of display adapters (Microsoft, "System-Defined Device Setup Classes").
DISPLAY_CLASS = r"HKLM\SYSTEM\CurrentControlSet\Control\Class\{4d36e968-e325-11ce-bfc1-08002be10318}"
_MAKERS = {NVIDIA: Vendor.NVIDIA, AMD: Vendor.AMD, INTEL: Vendor.INTEL}


@value
class Adapter:
    """One display adapter. `device` is the PCI model number, None where it is not told; VRAM in MiB."""

    name: str
    vendor: Optional[Vendor] = None
    driver: str = ""
    device: Optional[int] = None
    vram_mib: Optional[int] = None

    @property
    def nvidia_driver(self) -> str:
        """ "560.94" of Windows' own "32.0.15.6094": NVIDIA's version is its last five digits."""
        digits = self.driver.replace(".", "")
        return (
            f"{digits[-5:-2]}.{digits[-2:]}" if re.fullmatch(r"\d+(\.\d+){3}", self.driver) and len(digits) > 5 else ""
        )


def registry_displays(asking: Asking) -> Tuple[Adapter, ...]:
    """Adapters of the registry; where it tells none, those of WMI. Asked once for all makers."""
    found: Tuple[Adapter, ...] = asking.shared.once("windows-displays", lambda: _ask(asking))
    return found


def _ask(asking: Asking) -> Tuple[Adapter, ...]:
    found = parse_display_class(query(asking, DISPLAY_CLASS, "/s"))
    if found:
        return found
    answer = asking.run("wmic", "path", "win32_VideoController", "get", "AdapterRAM,DriverVersion,Name", timeout=3.0)
    if answer.ok and answer.stdout.strip():
        return parse_wmi(answer.stdout)
    command = "Get-CimInstance Win32_VideoController | Format-Table Name,AdapterRAM,DriverVersion -AutoSize"
    return parse_wmi(asking.run("powershell", "-NoProfile", "-Command", command, timeout=3.0).stdout)


def parse_display_class(text: str) -> Tuple[Adapter, ...]:
    """`reg query CLASS /s` → adapters; the keys below 0000, 0001 … hold settings, not adapters."""
    found: List[Adapter] = []
    for key, values in parse_registry(text).items():
        name = values.get("DriverDesc", "")
        if re.search(r"\\\d{4}$", key) and name:
            maker, device = _numbers(values.get("MatchingDeviceId", ""))
            found.append(
                Adapter(
                    name=name,
                    vendor=_MAKERS.get(maker) or vendor_of(name),
                    driver=values.get("DriverVersion", ""),
                    device=device,
                    vram_mib=_memory(values),
                )
            )
    return tuple(found)


def _numbers(text: str) -> Tuple[int, Optional[int]]:
    match = re.search(r"ven_([0-9a-f]{4})&dev_([0-9a-f]{4})", text, re.I)
    return (int(match.group(1), 16), int(match.group(2), 16)) if match else (-1, None)


def _memory(values: Dict[str, str]) -> Optional[int]:
    """The 64-bit size; the 32-bit one beside it ends at 4 GiB."""
    try:
        size = int(values.get("HardwareInformation.qwMemorySize", ""), 0)
    except ValueError:
        return None
    return size // 1024**2 if 0 < size < 1 << 50 else None


def parse_wmi(text: str) -> Tuple[Adapter, ...]:
    """`wmic path win32_VideoController get …` and PowerShell's tables → adapters, columns by their header.

    AdapterRAM is left aside: it is a 32-bit number, and says 4 GiB for everything larger.
    """
    lines = [line for line in text.splitlines() if line.strip() and set(line.strip()) - set("- ")]
    if not lines:
        return ()
    columns = [(match.group(0), match.start()) for match in re.finditer(r"\S+", lines[0])]
    if not {"Name", "DriverVersion"} <= {name for name, _ in columns}:
        return ()
    found = []
    for line in lines[1:]:
        ends = [start for _, start in columns[1:]] + [None]
        row = {name: line[start:end].strip() for (name, start), end in zip(columns, ends)}
        if row["Name"]:
            found.append(Adapter(name=row["Name"], vendor=vendor_of(row["Name"]), driver=row["DriverVersion"]))
    return tuple(found)
