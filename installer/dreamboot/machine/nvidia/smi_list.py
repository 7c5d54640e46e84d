"""`nvidia-smi -L`: full names, UUIDs and MIG profiles."""

from __future__ import annotations

import re
from typing import List

from dreamboot.machine.nvidia.reading import MigDevice, Reading
from dreamboot.machine.nvidia.smi_errors import parse_errors
from dreamboot.model import Gpu, Vendor


def parse_list(text: str) -> Reading:
    """ "GPU 0: NAME (UUID: …)" and, indented below, "MIG 3g.40gb  Device  0: (UUID: …)"."""
    gpus: List[Gpu] = []
    mig: List[MigDevice] = []
    for line in text.splitlines():
        whole = re.match(r"^GPU (\d{1,4}): (.+?) \(UUID: (\S+)\)", line)
        part = re.match(r"^\s+MIG (\S+)\s+Device\s+\d+: \(UUID: (\S+)\)", line)
        if whole:
            gpus.append(Gpu(vendor=Vendor.NVIDIA, index=int(whole.group(1)), name=whole.group(2), uuid=whole.group(3)))
        elif part and gpus:
            mig.append(MigDevice(gpu=gpus[-1].index, profile=part.group(1), uuid=part.group(2)))
    return Reading(gpus=tuple(gpus), mig=tuple(mig), faults=parse_errors(text))
