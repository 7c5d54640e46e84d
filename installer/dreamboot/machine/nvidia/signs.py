"""Whether there is any sign of an NVIDIA GPU, driver or library: without one, nothing is started to ask."""

from __future__ import annotations

from typing import List, Optional, Tuple

from dreamboot.machine.asking import Asking
from dreamboot.machine.pci import NVIDIA, PciDevice, displays
from dreamboot.machine.pythons.places import join_path
from dreamboot.values import value

# WSL brings the Windows driver's libraries and nvidia-smi here.
WSL_FOLDER = "/usr/lib/wsl/lib"
LIBRARY = "libnvidia-ml.so.1"
LIBRARY_FOLDERS = (
    WSL_FOLDER, "/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu", "/usr/lib64", "/usr/lib",
    "/usr/lib/x86_64-linux-gnu/nvidia/current", "/usr/lib64/nvidia", "/usr/local/nvidia/lib64",
    "/run/opengl-driver/lib", "/usr/lib/nvidia", "/usr/lib/nvidia-current",
)  # fmt: skip
# Kernel module loaded, device files, the Jetson's own GPU.
TRACES = ("/proc/driver/nvidia/version", "/sys/module/nvidia", "/dev/nvidiactl", "/dev/nvidia0", "/dev/nvhost-gpu")


@value
class Signs:
    """What there is: `library` and `tool` are paths, `kernel` that a driver is loaded, `devices` those on the bus."""

    kernel: bool = False
    library: str = ""
    tool: str = ""
    devices: Tuple[PciDevice, ...] = ()

    @property
    def any(self) -> bool:
        """True when asking makes sense."""
        return bool(self.kernel or self.library or self.tool or self.devices)


def look(asking: Asking) -> Signs:
    """Looks at files only; starts nothing."""
    if asking.system == "windows":
        return _windows(asking)
    library = _library(asking)
    return Signs(
        kernel=any(asking.exists(trace) for trace in TRACES),
        library=library,
        tool=asking.host.which("nvidia-smi") or _first(asking, [f"{WSL_FOLDER}/nvidia-smi"]),
        devices=displays(asking, NVIDIA),
    )


def _library(asking: Asking) -> str:
    named = [folder for folder in asking.environ.get("LD_LIBRARY_PATH", "").split(":") if folder]
    return _first(asking, [f"{folder.rstrip('/')}/{LIBRARY}" for folder in (*named, *LIBRARY_FOLDERS)])


def _windows(asking: Asking) -> Signs:
    environ = asking.environ
    system = join_path(asking, environ.get("SYSTEMROOT") or environ.get("WINDIR") or r"C:\Windows", "System32")
    # Drivers before 2019 (not DCH) put both here.
    old = join_path(asking, environ.get("PROGRAMFILES") or r"C:\Program Files", "NVIDIA Corporation", "NVSMI")
    library = _first(asking, [join_path(asking, folder, "nvml.dll") for folder in (system, old)])
    tools = [join_path(asking, folder, "nvidia-smi.exe") for folder in (system, old)]
    return Signs(library=library, tool=_first(asking, tools) or asking.host.which("nvidia-smi") or "")


def _first(asking: Asking, paths: List[str]) -> str:
    found: Optional[str] = next((path for path in paths if asking.exists(path)), None)
    return found or ""
