"""Main memory, swap and /dev/shm; inside a container its limit counts, not the host's memory."""

from __future__ import annotations

from pathlib import Path
from typing import Dict, Optional

from dreamboot.machine.asking import Asking, Facts

KIB = 1024
MIB = 1024 * 1024
# Where control groups say how much memory is ours: version 2, then version 1.
LIMITS = (
    ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory.current"),
    ("/sys/fs/cgroup/memory/memory.limit_in_bytes", "/sys/fs/cgroup/memory/memory.usage_in_bytes"),
)


def probe(asking: Asking) -> Facts:
    """Memory in MiB."""
    if asking.system != "linux":
        return _by_library()
    facts = parse_meminfo(asking.read("/proc/meminfo") or "")
    for limit_file, used_file in LIMITS:
        limit, used = _number(asking.word(limit_file)), _number(asking.word(used_file))
        facts = within_limit(facts, limit, used)
    shared = asking.host.disk_free(Path("/dev/shm")) if asking.exists("/dev/shm") else None  # noqa: S108 - measured
    if shared is not None:
        facts["shared_memory_mib"] = shared[1] // MIB
    return facts


def parse_meminfo(text: str) -> Facts:
    """`/proc/meminfo` → total, available and swap in MiB; absent lines leave their fact out."""
    values: Dict[str, int] = {}
    for line in text.splitlines():
        name, _, rest = line.partition(":")
        number = _number(rest.strip().split(" ")[0])
        if number is not None:
            values[name.strip()] = number
    names = {"MemTotal": "ram_total_mib", "MemAvailable": "ram_free_mib", "SwapTotal": "swap_total_mib"}
    return {field: values[name] // KIB for name, field in names.items() if name in values}


def within_limit(facts: Facts, limit: Optional[int], used: Optional[int]) -> Facts:
    """`facts` lowered to a control group's `limit` and what is left of it (bytes); no limit changes nothing."""
    total = facts.get("ram_total_mib")
    if limit is None or total is None or limit // MIB >= total:
        return facts
    lowered = {**facts, "ram_total_mib": limit // MIB}
    if used is not None:
        left = max(0, (limit - used) // MIB)
        lowered["ram_free_mib"] = min(left, facts.get("ram_free_mib", left))
    return lowered


def _by_library() -> Facts:
    import psutil

    memory = psutil.virtual_memory()
    facts: Facts = {"ram_total_mib": memory.total // MIB, "ram_free_mib": memory.available // MIB}
    try:
        facts["swap_total_mib"] = psutil.swap_memory().total // MIB
    except (OSError, RuntimeError):
        # Wine and locked-down Windows have no page file counters; memory itself is what matters.
        facts["swap_total_mib"] = None
    return facts


def _number(text: str) -> Optional[int]:
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 24 else None
