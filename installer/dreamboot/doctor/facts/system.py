"""What the machine's own files tell: Docker's configuration, CDI, WSL's libraries, the Visual C++ runtime."""

# ruff: noqa: PTH110, PTH118, PTH120 - strings, not Path objects: thousands of files are looked at in a second

from __future__ import annotations

import json
import os
import struct
from pathlib import Path
from typing import Any, Dict, List, Mapping, Optional, Tuple

from dreamboot.doctor.facts import files
from dreamboot.doctor.facts.values import Container
from dreamboot.host import Host

CDI_FOLDERS = ("/etc/cdi", "/var/run/cdi")
# VS_FIXEDFILEINFO begins with this; the version follows two words later.
_SIGNATURE = struct.pack("<I", 0xFEEF04BD)


def container(host: Host, root: str = "/") -> Container:
    """How Docker is set up; `root` is where /etc lies (tests keep their own)."""
    program = host.which("docker") or ""
    told, fault = _json(os.path.join(root, "etc/docker/daemon.json"))
    runtimes: Dict[str, str] = {}
    declared = told.get("runtimes")
    if isinstance(declared, dict):
        runtimes = {
            str(name): str(entry.get("path", "")) for name, entry in declared.items() if isinstance(entry, dict)
        }
    missing = [name for name, path in runtimes.items() if path and not host.which(path) and not os.path.exists(path)]
    return Container(
        program=os.path.realpath(program) if program else "",
        daemon_fault=fault,
        runtimes=runtimes,
        missing_runtimes=tuple(missing),
        cdi_faults=tuple(_cdi_faults(root)),
    )


def _cdi_faults(root: str) -> List[str]:
    """CDI specifications that name files which are not there."""
    found = []
    for folder in CDI_FOLDERS:
        base = os.path.join(root, folder.lstrip("/"))
        for name in files.names(base):
            path = os.path.join(base, name)
            if name.endswith(".json"):
                _, fault = _json(path)
                if fault:
                    found.append(f"{path}: {fault}")
            told = files.text(path, 500_000)
            for line in told.splitlines():
                key, _, content = line.strip(" -,").replace('"', "").partition(":")
                if key.strip() == "hostPath" and not os.path.exists(content.strip()):
                    found.append(f"{path}: {content.strip()} does not exist")
    return found


def _json(path: str) -> Tuple[Dict[str, Any], str]:
    told = files.text(path, 200_000)
    if not told.strip():
        return {}, ""
    try:
        found = json.loads(told)
    except ValueError as error:
        return {}, f"not valid JSON: {error}"
    return (found, "") if isinstance(found, dict) else ({}, "not an object")


def wsl_libraries() -> Tuple[str, ...]:
    """The driver files that Windows shares with WSL."""
    return tuple(name for name in files.names("/usr/lib/wsl/lib") if name.startswith("libcuda"))


def kfd_writable(root: str = "/") -> Optional[bool]:
    """Whether this user may use AMD's compute device; None where there is none."""
    path = os.path.join(root, "dev/kfd")
    return os.access(path, os.R_OK | os.W_OK) if os.path.exists(path) else None


def vc_runtimes(environ: Mapping[str, str], python: str) -> Tuple[str, str]:
    """(Windows' own, the one beside python.exe): versions of msvcp140.dll, "" where there is none."""
    windows = environ.get("SystemRoot") or environ.get("SYSTEMROOT") or ""
    own = file_version(os.path.join(windows, "System32", "msvcp140.dll")) if windows else ""
    return own, file_version(os.path.join(os.path.dirname(python), "msvcp140.dll"))


def file_version(path: str) -> str:
    """The version in a Windows library's resources ("14.44.35208.0"), "" when it holds none."""
    try:
        data = Path(path).read_bytes()
    except OSError:
        return ""
    place = data.find(_SIGNATURE)
    if place < 0 or place + 16 > len(data):
        return ""
    high, low = struct.unpack_from("<II", data, place + 8)
    return f"{high >> 16}.{high & 0xFFFF}.{low >> 16}.{low & 0xFFFF}"
