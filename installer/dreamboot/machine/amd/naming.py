"""Marketing names of AMD GPUs from libdrm's amdgpu.ids, which every desktop has."""

from __future__ import annotations

import re
from typing import Dict, Tuple

from dreamboot.machine.asking import Asking

FILES = ("/usr/share/libdrm/amdgpu.ids", "/opt/amdgpu/share/libdrm/amdgpu.ids", "/usr/local/share/libdrm/amdgpu.ids")


def read_names(asking: Asking) -> Dict[Tuple[int, int], str]:
    """(device, revision) → name, from the first file that is there."""
    for path in FILES:
        text = asking.read(path)
        if text:
            return parse_amdgpu_ids(text)
    return {}


def parse_amdgpu_ids(text: str) -> Dict[Tuple[int, int], str]:
    """Lines "744C, C8, AMD Radeon RX 7900 XTX"."""
    rows = re.findall(r"^([0-9A-Fa-f]{4}),\s*([0-9A-Fa-f]{1,2}),\s*(\S.*?)\s*$", text, re.M)
    return {(int(device, 16), int(revision, 16)): name for device, revision, name in rows}
