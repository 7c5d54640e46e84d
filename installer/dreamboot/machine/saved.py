"""The saved output of a vendor's tool as a stated machine: what someone sends who asks for help."""

from __future__ import annotations

import re
from typing import Any, Callable, Dict, Optional, Tuple

from dreamboot.machine.amd.rocm_smi import parse_json
from dreamboot.machine.amd.rocminfo import parse_rocminfo
from dreamboot.machine.nvidia.reading import Reading, drivers, uncut, usable_gpus
from dreamboot.machine.nvidia.smi_csv import parse_csv
from dreamboot.machine.nvidia.smi_list import parse_list
from dreamboot.machine.nvidia.smi_log import parse_log
from dreamboot.machine.nvidia.smi_table import parse_table
from dreamboot.machine.nvidia.smi_xml import parse_xml

# What only this kind of output contains → its parser.
FORMS: Tuple[Tuple[str, Callable[[str], Reading]], ...] = (
    (r"<nvidia_smi_log", parse_xml),
    (r"^=+NVSMI LOG=+", parse_log),
    (r"^\| NVIDIA-SMI ", parse_table),
    (r"^GPU \d+: .+ \(UUID: ", parse_list),
    (r"^(?:[\w.]+(?: \[\w+\])?, ?)*(?:driver_version|memory\.total|compute_cap)\b", parse_csv),
)


def saved_output(text: str) -> Optional[Dict[str, Any]]:
    """Fields of the machine whose nvidia-smi, rocminfo or rocm-smi printed `text`; None when it is none of these."""
    for mark, parse in FORMS:
        if re.search(mark, text[:4000], re.M):
            reading = parse(text)
            system = "windows" if any(gpu.driver_model for gpu in reading.gpus) else "linux"
            faults = reading.faults + uncut(reading)
            return {"os": system, "gpus": usable_gpus(reading), "drivers": drivers(reading), "faults": faults}
    if "HSA System Attributes" in text:
        return {"os": "linux", "gpus": parse_rocminfo(text)}
    if re.search(r'"card\d+":\s*\{', text):
        told = parse_json(text)
        return {"os": "linux", "gpus": told.gpus, "drivers": told.drivers}
    return None
