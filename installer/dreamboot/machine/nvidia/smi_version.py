"""`nvidia-smi --version`, whose lines changed their names with driver 610."""

from __future__ import annotations

from dreamboot.machine.nvidia.reading import Reading, version
from dreamboot.machine.nvidia.smi_errors import parse_errors


def parse_version(text: str) -> Reading:
    """Driver and newest CUDA; since 610 "DRIVER version" only says that "KMD version" took its place."""
    values = {}
    for line in text.splitlines():
        name, colon, value = line.partition(":")
        if colon:
            values[name.strip().lower()] = version(value)
    driver = values.get("kmd version") or values.get("driver version") or ""
    cuda = values.get("cuda umd version") or values.get("cuda version") or ""
    return Reading(driver=driver, cuda=cuda, faults=() if driver else parse_errors(text))
