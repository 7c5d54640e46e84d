"""Error texts of NVIDIA's tools and codes of NVML → faults with a cause."""

from __future__ import annotations

import re
from typing import Optional, Tuple

from dreamboot.model import Fault, Vendor
from dreamboot.values import value


@value
class Known:
    """One error: `code` is NVML's return code (nvml.h), with which nvidia-smi exits too; `text` is what tools print."""

    id: str
    code: int
    text: str
    cause: str


KNOWN = (
    Known(
        id="nvidia-driver-library-mismatch",
        code=18,
        text=r"driver/library version mismatch",
        cause="the driver in the kernel and the driver's libraries have different versions: the driver was updated and "
        "the machine not restarted, or a container brings the libraries of another driver",
    ),
    Known(
        id="nvidia-wsl-blocked",
        code=17,
        text=r"gpu access blocked by the operating system",
        cause="Windows keeps this WSL from the GPU: the Windows driver, or WSL itself, is older than needed",
    ),
    Known(
        id="nvidia-driver-not-running",
        code=9,
        text=r"couldn't communicate with the nvidia driver|driver (?:is )?not loaded",
        cause="the NVIDIA driver is not running: its kernel module is not loaded (often after a kernel update, or "
        "because Secure Boot rejects it)",
    ),
    Known(
        id="nvidia-libnvml-missing",
        code=12,
        text=r"couldn't find (?:libnvidia-ml|nvml)|libnvidia-ml\.so\S* ?(?:cannot open|not found)|nvml shared library",
        cause="the driver's library libnvidia-ml.so.1 (nvml.dll on Windows) is missing: the driver is not, or only "
        "partly, installed, or a container was started without access to the GPU",
    ),
    Known(
        id="nvidia-no-permission",
        code=4,
        text=r"insufficient permissions",
        cause="this user may not use the GPU's device files (/dev/nvidia*)",
    ),
    Known(
        id="nvidia-gpu-lost",
        code=15,
        text=r"gpu is lost|unable to determine the device handle",
        cause="a GPU no longer answers: it fell off the bus (power, heat, hardware); a restart may bring it back",
    ),
    Known(
        id="nvidia-no-devices",
        code=6,
        text=r"no devices were found",
        cause="the driver runs, but it drives no GPU here",
    ),
    Known(
        id="nvidia-container-lost-gpu",
        code=999,
        text=r"failed to initialize nvml: unknown error",
        cause="the driver's library fails for an unknown reason; in a container this is the usual sign that it has "
        "lost its access to the GPU (after `systemctl daemon-reload` on the host)",
    ),
    Known(
        id="nvidia-smi-missing",
        code=127,
        text=r"nvidia-smi: (?:command )?not found|nvidia-smi' is not recognized|nvidia-smi'?: no such file",
        cause="the program nvidia-smi is not installed or not on PATH: there is no NVIDIA driver, or this is a "
        "container without access to the GPU",
    ),
)


def parse_errors(text: str) -> Tuple[Fault, ...]:
    """The faults that a tool's output names; none for a healthy output."""
    found = []
    for known in KNOWN:
        match = re.search(known.text, text, re.I)
        if match:
            found.append(_fault(known.id, known.cause, _line_of(text, match.start())))
    return tuple(found)


def fault_of_code(code: int, text: str) -> Fault:
    """The fault for an NVML return code; a code without a name of its own becomes `nvidia-nvml-error`."""
    for known in KNOWN:
        if code == known.code:
            return _fault(known.id, known.cause, text)
    return _fault("nvidia-nvml-error", "the NVIDIA driver's library answered with an error", f"{text} (code {code})")


def ended_badly(returncode: int, timed_out: bool) -> Optional[Fault]:
    """The fault of a question that never got an answer: the driver hung, or took the asking process down."""
    if timed_out:
        cause = "the NVIDIA driver does not answer: it hangs (a GPU in an error state, or the machine needs a restart)"
        return _fault("nvidia-driver-hangs", cause, "no answer from the driver's library in time")
    if returncode < 0 or returncode in (0xC0000005, -1073741819, 134, 139):
        cause = "the NVIDIA driver's library crashed when it was asked: the driver is damaged or does not fit"
        return _fault("nvidia-driver-crashed", cause, f"the asking process ended with {returncode}")
    return None


def _fault(identity: str, cause: str, evidence: str) -> Fault:
    return Fault(id=identity, cause=cause, evidence=evidence.strip()[:400], vendor=Vendor.NVIDIA)


def _line_of(text: str, place: int) -> str:
    begin = text.rfind("\n", 0, place) + 1
    end = text.find("\n", place)
    return text[begin : None if end < 0 else end]
