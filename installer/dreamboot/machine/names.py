"""What the name of a GPU tells: its maker, and whether it is part of a processor."""

from __future__ import annotations

import re
from typing import Optional, Tuple

from dreamboot.model import Vendor
from dreamboot.values import value

# Checked in this order: "Radeon RX" before the bare model numbers of data-centre cards.
_VENDORS = (
    (Vendor.AMD, r"\bAMD\b|\bATI\b|radeon|instinct|firepro|\bRX ?\d{3,4}|\bMI\d{2,3}[A-Z]?\b|\bvega\b|\bgfx\d+|navi"),
    (
        Vendor.INTEL,
        r"\bintel\b|\barc\b|\bU?HD graphics\b|\biris\b|\b[AB](?:310|380|570|580|750|770)M?\b|\bponte vecchio\b",
    ),
    (Vendor.APPLE, r"\bapple\b|^M[1-9]\d?(?: (?:pro|max|ultra))?$"),
    (
        Vendor.NVIDIA,
        r"nvidia|geforce|quadro|tesla|titan|tegra|jetson|\b[GR]TX|\bGT ?\d{3,4}\b|\bMX ?\d{3}\b|\bNVS\b|\bCMP\b",
    ),
    (Vendor.NVIDIA, r"\b[AHLTVPKBM]\d{1,4}[A-Z]?\b|\bG[BH]\d{2,3}\b|\bspark\b|\bthor\b|\borin\b"),
)
# Architecture of the GPU inside AMD processors, one per line of the LLVM "User Guide for AMDGPU Backend" table whose
# type is APU. (gfx1151, Strix Halo, is one too, and a capable one.)
AMD_INTEGRATED_GFX = frozenset((
    "gfx700", "gfx801", "gfx902", "gfx909", "gfx90c", "gfx1013", "gfx1033", "gfx1035", "gfx1036", "gfx1037", "gfx1103",
    "gfx1150", "gfx1151", "gfx1152", "gfx1153",
))  # fmt: skip
_AMD_INTEGRATED_NAME = (
    r"\b(?:6[1468]0M|7[468]0M|8[24689]0M|80[456]0S)\b"
    r"|^(?:AMD |ATI )*Radeon(?:\(TM\)|\u2122)?(?: RX)?(?: Vega(?: ?\d+)?)? Graphics$"
)
# PCI device numbers of Intel GPUs that PyTorch's XPU builds run on ("Getting started on Intel GPU": Arc A and B, Core
# Ultra series 1 to 3, Data Center GPU Flex and Max), taken from the Linux kernel's include/drm/intel/pciids.h.
_INTEL_DISCRETE = ((0x5690, 0x56C2), (0xE200, 0xE2FF), (0x0B69, 0x0BE5))
_INTEL_CORE_ULTRA = (
    (0x7D40, 0x7D67), (0x7DD1, 0x7DD5), (0xB640, 0xB640),  # Meteor Lake, Arrow Lake
    (0x6420, 0x64B0), (0xB080, 0xB0BF), (0xFD80, 0xFD81),  # Lunar Lake, Panther Lake, Wildcat Lake
)  # fmt: skip


@value
class IntelKind:
    """What an Intel display adapter is good for."""

    usable: bool
    integrated: bool


def vendor_of(name: str) -> Optional[Vendor]:
    """The maker of a GPU by its name; None when the name does not tell."""
    for vendor, pattern in _VENDORS:
        if re.search(pattern, name, re.I):
            return vendor
    return None


def amd_integrated(name: str, gfx: str) -> bool:
    """Whether an AMD GPU is part of a processor, by its architecture where known, else by its name."""
    if gfx:
        return gfx in AMD_INTEGRATED_GFX
    return bool(re.search(_AMD_INTEGRATED_NAME, name.strip(), re.I))


def intel_kind(name: str, device: Optional[int] = None, cpu: str = "") -> IntelKind:
    """Arc and Core Ultra compute; every other Intel display adapter (UHD, Iris, HD Graphics) only shows pictures.

    `device` (the PCI device number) decides where it is known. By name alone, "Arc" with a model number is a card;
    "Arc Graphics" without one, and "Intel Graphics" beside a Core Ultra `cpu`, are inside the processor.
    """
    if device is not None:
        discrete, ultra = _within(device, _INTEL_DISCRETE), _within(device, _INTEL_CORE_ULTRA)
        return IntelKind(usable=discrete or ultra, integrated=not discrete)
    plain = re.sub(r"\((?:R|TM|C)\)|[\u00ae\u2122]", "", name, flags=re.I)
    card = re.search(r"\b(?:Arc\s+(?:Pro\s+)?)?[AB]\d{2,3}M?\b|data cent(?:er|re) gpu|ponte vecchio", plain, re.I)
    if card:
        return IntelKind(usable=True, integrated=False)
    inside = "arc" in plain.lower().split() or re.search(r"\bultra\b", f"{cpu} {plain}", re.I)
    old = re.search(r"\bU?HD\b|\biris\b", plain, re.I)
    return IntelKind(usable=bool(inside) and not old, integrated=True)


def _within(number: int, ranges: Tuple[Tuple[int, int], ...]) -> bool:
    return any(first <= number <= last for first, last in ranges)
