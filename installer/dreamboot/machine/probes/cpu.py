"""The processor: name, cores that this process may use, and the instruction sets that matter to PyTorch."""

from __future__ import annotations

import math
import os
import re
from typing import Dict, Optional, Tuple

from dreamboot.machine.asking import Asking, Facts
from dreamboot.machine.registry import parse_registry, query

# PyTorch's kernels choose among these at run time; avx2 is what its fast CPU paths need (ATen/cpu, "DispatchStub").
FLAGS = (
    "sse4_2", "f16c", "fma", "avx", "avx2", "avx512f", "avx512_bf16", "avx512_vnni", "amx_tile", "amx_bf16",
    "asimd", "asimdhp", "bf16", "sve", "sve2", "i8mm",
)  # fmt: skip
WINDOWS_CPU = r"HKLM\HARDWARE\DESCRIPTION\System\CentralProcessor\0"


def probe(asking: Asking) -> Facts:
    """cpu, cpu_cores, cpu_flags."""
    if asking.system == "linux":
        return _linux(asking)
    if asking.system == "macos":
        told = asking.run("sysctl", "-n", "machdep.cpu.brand_string", "hw.ncpu").stdout.split("\n")
        cores = told[1].strip() if len(told) > 1 else ""
        return {"cpu": told[0].strip(), "cpu_cores": int(cores) if cores.isdigit() else os.cpu_count() or 1}
    cores = asking.environ.get("NUMBER_OF_PROCESSORS", "")
    return {"cpu": cpu_name(asking), "cpu_cores": int(cores) if cores.isdigit() else os.cpu_count() or 1}


def cpu_name(asking: Asking) -> str:
    """The processor's name on Windows."""
    for values in parse_registry(query(asking, WINDOWS_CPU, "/v", "ProcessorNameString")).values():
        return " ".join(values.get("ProcessorNameString", "").split())
    return asking.environ.get("PROCESSOR_IDENTIFIER", "")


def _linux(asking: Asking) -> Facts:
    facts = parse_cpuinfo(asking.read("/proc/cpuinfo") or "")
    allowed = parse_cpu_list(_status(asking.read("/proc/self/status") or "", "Cpus_allowed_list"))
    quota = parse_cpu_max(asking.word("/sys/fs/cgroup/cpu.max")) or parse_quota(
        asking.word("/sys/fs/cgroup/cpu/cpu.cfs_quota_us"), asking.word("/sys/fs/cgroup/cpu/cpu.cfs_period_us")
    )
    limits = [facts["cpu_cores"], allowed, quota]
    return {**facts, "cpu_cores": max(1, min(limit for limit in limits if limit))}


def parse_cpuinfo(text: str) -> Facts:
    """`/proc/cpuinfo` of x86 and ARM → name, number of processors, known flags."""
    values: Dict[str, str] = {}
    cores = 0
    for line in text.splitlines():
        name, colon, told = line.partition(":")
        if colon:
            cores += name.strip() == "processor"
            values.setdefault(name.strip().lower(), told.strip())
    flags = set((values.get("flags") or values.get("features") or "").split())
    name = values.get("model name") or values.get("hardware") or values.get("cpu model") or ""
    return {"cpu": name, "cpu_cores": max(1, cores), "cpu_flags": tuple(flag for flag in FLAGS if flag in flags)}


def parse_cpu_list(text: str) -> int:
    """ "0-3,8" → 5; 0 when it says nothing."""
    count = 0
    for part in text.split(","):
        match = re.fullmatch(r"\s*(\d{1,6})(?:-(\d{1,6}))?\s*", part)
        if match:
            first = int(match.group(1))
            count += max(0, int(match.group(2) or first) - first + 1)
    return count


def parse_cpu_max(text: str) -> Optional[int]:
    """A control group's "quota period" → whole processors; None without a limit."""
    parts = text.split()
    return parse_quota(parts[0], parts[1]) if len(parts) == 2 else None


def parse_quota(quota: str, period: str) -> Optional[int]:
    """Microseconds per period → processors, rounded up; "max" and -1 mean no limit."""
    numbers: Tuple[str, str] = (quota, period)
    if not all(re.fullmatch(r"\d{1,12}", number) for number in numbers) or int(period) == 0 or int(quota) == 0:
        return None
    return math.ceil(int(quota) / int(period))


def _status(text: str, name: str) -> str:
    match = re.search(rf"^{name}:\s*(\S+)", text, re.M)
    return match.group(1) if match else ""
