"""Display adapters on the PCI bus: from /sys, named by the pci.ids file or by `lspci -nn`."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Dict, Tuple

from dreamboot.machine.asking import Asking
from dreamboot.values import value

NVIDIA, AMD, INTEL = 0x10DE, 0x1002, 0x8086
DEVICES = "/sys/bus/pci/devices"
NAME_FILES = ("/usr/share/misc/pci.ids", "/usr/share/hwdata/pci.ids", "/usr/share/pci.ids")
# VGA controllers, 3D controllers and other display controllers; 0x1200 are processing accelerators (AMD Instinct).
_CLASSES = (0x0300, 0x0302, 0x0380, 0x1200)


@value
class PciDevice:
    """One device: address like "0000:01:00.0", numbers of maker and model, kernel driver ("" for none)."""

    address: str
    vendor: int
    device: int
    name: str = ""
    driver: str = ""


def displays(asking: Asking, vendor: int) -> Tuple[PciDevice, ...]:
    """A maker's display adapters and accelerators, in bus order, without names."""
    found = []
    for address in asking.host.list_dir(Path(DEVICES)):
        folder = f"{DEVICES}/{address}"
        if hexadecimal(_word(asking, f"{folder}/vendor")) != vendor:
            continue
        if hexadecimal(_word(asking, f"{folder}/class")) >> 8 in _CLASSES:
            driver = f"{folder}/driver"
            found.append(
                PciDevice(
                    address=address,
                    vendor=vendor,
                    device=hexadecimal(_word(asking, f"{folder}/device")),
                    driver=asking.host.real_path(Path(driver)).name if asking.exists(driver) else "",
                )
            )
    if found:
        asking.note(DEVICES)
    return tuple(found)


def device_names(asking: Asking, vendor: int) -> Dict[int, str]:
    """Model number → name, from the first pci.ids that is there, else from lspci."""
    for path in NAME_FILES:
        text = asking.read(path)
        if text:
            return parse_pci_ids(text, vendor)
    if asking.host.which("lspci"):
        listed = parse_lspci(asking.run("lspci", "-nn").stdout)
        return {device.device: device.name for device in listed if device.vendor == vendor}
    return {}


def parse_pci_ids(text: str, vendor: int) -> Dict[int, str]:
    """The models of one maker in a pci.ids file."""
    start = re.search(rf"^{vendor:04x}  .*$", text, re.M)
    if start is None:
        return {}
    end = re.compile(r"^[0-9a-fA-C]{1,4}  |^C ", re.M).search(text, start.end())
    block = text[start.end() : end.start() if end else None]
    return {int(number, 16): name.strip() for number, name in re.findall(r"^\t([0-9a-f]{4})  (.+)$", block, re.M)}


def parse_lspci(text: str) -> Tuple[PciDevice, ...]:
    """`lspci -nn` → display adapters: "01:00.0 VGA compatible controller [0300]: MAKER MODEL [10de:2204] (rev a1)"."""
    found = []
    for line in text.splitlines():
        match = re.match(
            r"^(?P<address>[0-9a-f:.]+) .*?\[(?P<class>[0-9a-f]{4})\]: (?P<name>.*) "
            r"\[(?P<vendor>[0-9a-f]{4}):(?P<device>[0-9a-f]{4})\]",
            line,
        )
        if match and int(match.group("class"), 16) in _CLASSES:
            found.append(
                PciDevice(
                    address=match.group("address"),
                    vendor=int(match.group("vendor"), 16),
                    device=int(match.group("device"), 16),
                    name=_model(match.group("name")),
                )
            )
    return tuple(found)


def _model(name: str) -> str:
    """The model without its maker: every maker's name ends in "Corporation", "Inc." or a mark in brackets."""
    return re.sub(r"^.*?(?:Corporation|Inc\.(?: \[[^\]]*\])?|Ltd\.?) ", "", name, count=1)


def hexadecimal(text: str) -> int:
    """0x10de → 4318; -1 for what is no number."""
    try:
        return int(text, 16)
    except ValueError:
        return -1


def _word(asking: Asking, path: str) -> str:
    return (asking.host.read_text(Path(path)) or "").strip()
