"""What people write about a machine → fields of the nouns: many spellings in, one out."""

from __future__ import annotations

import dataclasses
import re
from typing import Any, Dict, List, Mapping, Optional, Tuple

from dreamboot.machine.names import amd_integrated, intel_kind, vendor_of
from dreamboot.machine.probes.system import ARCHITECTURES
from dreamboot.machine.sizes import mebibytes
from dreamboot.machine.windows_displays import Adapter
from dreamboot.model import Disk, Driver, Gpu, Machine, PackageIndexes, Python, Vendor

State = Dict[str, Any]
NOUNS = {"machine": Machine, "gpu": Gpu, "driver": Driver, "python": Python, "disk": Disk}
# Names that people use → the field, or the fact that `machine_fields` and `graphics` know.
ALIASES = {
    "machine": {
        "gpu": "gpus", "vram": "", "vram_gb": "", "vram_mib": "", "vram_total_mib": "", "vram_free": "",
        "vram_free_mib": "", "compute_capability": "", "cc": "", "sm": "", "gfx": "", "driver": "drivers",
        "driver_version": "drivers", "driver_model": "", "cuda": "", "cuda_version": "", "python": "pythons",
        "ram": "ram_total_mib",
        "ram_gb": "ram_total_mib", "memory": "ram_total_mib", "swap": "swap_total_mib", "shm": "shared_memory_mib",
        "disk": "disks", "disk_free": "disks", "glibc": "libc", "musl": "libc", "macos": "os", "windows": "os",
        "architecture": "arch", "cores": "cpu_cores", "processor": "cpu",
    },
    "gpu": {
        "vram": "vram_total_mib", "vram_gb": "vram_total_mib", "vram_mib": "vram_total_mib",
        "memory": "vram_total_mib", "vram_total": "vram_total_mib", "vram_free": "vram_free_mib",
        "cc": "compute_capability", "sm": "compute_capability", "compute_cap": "compute_capability",
        "architecture": "gfx", "count": "", "driver": "", "cuda_version": "", "cuda": "",
    },
    "driver": {"cuda": "cuda_version"},
    "python": {},
    "disk": {"free": "free_mib", "total": "total_mib"},
}  # fmt: skip
_WINDOWS_BUILDS = {"10": "10.0.19045", "11": "10.0.22631"}


def fields_of(kind: str) -> Tuple[str, ...]:
    """Every name that may be stated for a noun, aliases included, sorted."""
    names = {field.name for field in dataclasses.fields(NOUNS[kind])} | set(ALIASES[kind])
    if kind == "machine":
        names |= {field.name for field in dataclasses.fields(PackageIndexes)}
    return tuple(sorted(names))


def machine_fields(data: Mapping[str, Any]) -> State:
    """Everything but GPUs and drivers; raises ValueError for a value that no reading fits."""
    known = {field.name for field in dataclasses.fields(Machine)} - {"gpus", "drivers"}
    state: State = {name: value for name, value in data.items() if name in known}
    state.update(_operating_system(data))
    state["arch"] = _architecture(data)
    state.update(_libc(data))
    _sizes(data, state)
    if "cores" in data:
        state["cpu_cores"] = data["cores"]
    if "processor" in data:
        state["cpu"] = data["processor"]
    for name in ("python", "pythons"):
        if name in data:
            state["pythons"] = [python_table(item) for item in _many(data[name])]
    if "disk" in data or "disk_free" in data:
        state["disks"] = _disks(data.get("disk", data.get("disk_free")))
    if "wsl" in state:
        state["wsl"] = (
            {True: 2, False: 0}.get(state["wsl"], state["wsl"]) if isinstance(state["wsl"], bool) else state["wsl"]
        )
    if isinstance(state.get("container"), bool):
        state["container"] = "docker" if state["container"] else ""
    state["indexes"] = _indexes(data)
    return state


def graphics(data: Mapping[str, Any]) -> Tuple[List[State], List[State]]:
    """(GPU tables, driver tables)."""
    items = _many(data.get("gpus", data.get("gpu")))
    shared = {name: data[name] for name in (*ALIASES["gpu"], *_GPU_FIELDS) if name in data and name not in _OTHERS}
    gpus: List[State] = []
    for item in items or ([{}] if {"compute_capability", "cc", "sm", "gfx"} & set(data) else []):
        gpus.extend(gpu_tables(item, shared, str(data.get("cpu", ""))))
    counts: Dict[Any, int] = {}
    for gpu in gpus:
        vendor = gpu["vendor"]
        gpu.setdefault("index", counts.get(vendor, 0))
        counts[vendor] = counts.get(vendor, 0) + 1
    return [{k: v for k, v in gpu.items() if not k.startswith("_")} for gpu in gpus], _drivers(data, gpus)


# At the top level these words speak of the machine, not of its GPUs.
_OTHERS = ("driver", "memory", "architecture", "count", "cuda", "cuda_version")
# A bound on slips of the pen, far above any machine: a stated count is a list that long.
_MOST_GPUS = 64
_GPU_FIELDS = ("compute_capability", "gfx", "driver_model", "vram_total_mib", "vram_free_mib")


def gpu_tables(item: Any, shared: Mapping[str, Any], cpu: str) -> List[State]:
    """One stated GPU ("RTX 4090", "2x RTX 3090" or a table) → tables with `Gpu`'s own field names."""
    if not isinstance(item, (str, Mapping)):
        raise ValueError(f"the GPU {item!r} is neither a name nor a table")
    table: State = {"name": item} if isinstance(item, str) else dict(item)
    if isinstance(item, str) and item.strip().lower() in ("", "none", "cpu", "no"):
        return []
    name, count = _counted(str(table.get("name", "")))
    facts: State = {}
    for source in (shared, table):
        for key, value in source.items():
            field = ALIASES["gpu"].get(key, key) or f"_{key}"
            facts[field] = _size(value, key) if field.endswith("_mib") and value is not None else value
    facts["name"] = name
    count = int(facts.pop("_count", count))
    if not 1 <= count <= _MOST_GPUS:
        raise ValueError(f"a machine has 1 to {_MOST_GPUS} of a GPU, not {count}")
    if facts.get("compute_capability"):
        facts["compute_capability"] = capability(facts["compute_capability"])
    _complete(facts, cpu)
    return [dict(facts) for _ in range(count)]


def _complete(facts: State, cpu: str) -> None:
    """Vendor, name, integrated and usable, where they are not stated."""
    name, gfx = str(facts["name"]), str(facts.get("gfx", "") or "")
    vendor = facts.get("vendor") or (Vendor.AMD if gfx.startswith("gfx") else vendor_of(name))
    if vendor is None and facts.get("compute_capability"):
        vendor = Vendor.NVIDIA
    if vendor is None:
        raise ValueError(f'the maker of the GPU \'{name}\' is not known by its name: state vendor = "nvidia", "amd", …')
    facts["vendor"] = vendor = Vendor(str(getattr(vendor, "value", vendor)).lower())
    facts["name"] = name or gfx or f"{vendor.name} GPU"
    if vendor is Vendor.AMD:
        facts.setdefault("integrated", amd_integrated(name, gfx))
    elif vendor is Vendor.APPLE:
        facts.setdefault("integrated", True)
    elif vendor is Vendor.INTEL:
        kind = intel_kind(name, None, cpu)
        facts.setdefault("integrated", kind.integrated)
        facts.setdefault("usable", kind.usable)


def capability(value: Any) -> str:
    """8.9, "8.9", "sm_89", 89, "sm_120" → "8.9", "12.0"."""
    text = str(value).strip().lower().replace("compute_", "").replace("sm_", "").replace("sm", "")
    match = re.fullmatch(r"(\d{1,2})\.(\d)[af]?", text)
    if match:
        return f"{match.group(1)}.{match.group(2)}"
    match = re.fullmatch(r"(\d{1,2})(\d)[af]?", text)
    if match:
        return f"{match.group(1)}.{match.group(2)}"
    raise ValueError(f"'{value}' is no compute capability: write it like \"8.9\"")


def python_table(item: Any) -> State:
    """ "3.11", "3.13t", "3.11-32" or a table → `Python`'s fields."""
    if isinstance(item, Mapping):
        table = dict(item)
        table.setdefault("path", f"python{'.'.join(str(table.get('version', '3')).split('.')[:2])}")
        return table
    match = re.fullmatch(r"\s*(3\.\d+(?:\.\d+\w*)?)(t)?(?:-(32|64))?\s*", str(item))
    if match is None:
        raise ValueError(f"'{item}' is no Python version: write it like \"3.11\"")
    version = match.group(1)
    free_threaded = bool(match.group(2)) or version.endswith("t")
    version = version[:-1] if version.endswith("t") else version
    minor = ".".join(version.split(".")[:2])
    return {
        "path": f"python{minor}",
        "version": version,
        "bits": int(match.group(3) or 64),
        "free_threaded": free_threaded,
    }


def _operating_system(data: Mapping[str, Any]) -> State:
    if data.get("macos"):
        return {"os": "macos", "os_version": str(data["macos"])}
    if data.get("windows"):
        return _windows(str(data["windows"]), data)
    text = str(data.get("os", "")).strip()
    word = text.lower()
    if not word:
        apple = any("apple" in str(gpu).lower() for gpu in _many(data.get("gpus", data.get("gpu"))))
        return {"os": "macos" if apple else "windows" if str(data.get("driver_model", "")) else "linux"}
    match = re.fullmatch(r"win(?:dows)?(?:32|64)?[ _-]?(10|11)?", word)
    if match:
        return _windows(match.group(1) or "", data)
    if re.match(r"(?:mac|osx|darwin)", word):
        version = re.search(r"(\d+(?:\.\d+)*)$", word)
        return {"os": "macos", **({"os_version": version.group(1)} if version and "os_version" not in data else {})}
    if re.match(r"wsl ?([12])?$", word):
        return {"os": "linux", "wsl": 1 if word.endswith("1") else 2}
    if word == "linux":
        return {"os": "linux"}
    if re.match(
        r"(?:ubuntu|debian|fedora|arch|rhel|centos|rocky|alma|opensuse|suse|mint|alpine|manjaro|nixos|gentoo|pop)", word
    ):
        libc = {"libc": "musl"} if word.startswith("alpine") and "libc" not in data else {}
        return {"os": "linux", "distribution": data.get("distribution", text), **libc}
    raise ValueError(f'os \'{text}\' is not known: write "linux", "windows" or "macos"')


def _windows(release: str, data: Mapping[str, Any]) -> State:
    state: State = {"os": "windows"}
    if release in _WINDOWS_BUILDS:
        state["os_version"] = data.get("os_version", _WINDOWS_BUILDS[release])
        state["distribution"] = data.get("distribution", f"Windows {release}")
    return state


def _architecture(data: Mapping[str, Any]) -> str:
    text = str(data.get("arch", data.get("architecture", "")) or "").lower()
    if not text:
        apple = any(re.search(r"apple|^m\d", str(gpu), re.I) for gpu in _many(data.get("gpus", data.get("gpu"))))
        return "aarch64" if apple else "x86_64"
    if text not in ARCHITECTURES:
        raise ValueError(f'arch \'{text}\' is not known: write "x86_64" or "aarch64"')
    return ARCHITECTURES[text]


def _libc(data: Mapping[str, Any]) -> State:
    for name in ("glibc", "musl"):
        if name in data:
            return {"libc": name, "libc_version": str(data[name])}
    match = re.fullmatch(r"\s*(glibc|musl)?[ -]?(\d+\.\d+(?:\.\d+)?)?\s*", str(data.get("libc", "") or ""))
    if match is None:
        raise ValueError(f'libc \'{data["libc"]}\' is not known: write "glibc 2.31" or "musl 1.2"')
    if not match.group(2):
        return {"libc": match.group(1)} if match.group(1) else {}
    return {"libc": match.group(1) or "glibc", "libc_version": data.get("libc_version") or match.group(2)}


def _sizes(data: Mapping[str, Any], state: State) -> None:
    for name, field in (
        ("ram", "ram_total_mib"), ("ram_gb", "ram_total_mib"), ("memory", "ram_total_mib"), ("swap", "swap_total_mib"),
        ("shm", "shared_memory_mib"), ("ram_total_mib", "ram_total_mib"), ("ram_free_mib", "ram_free_mib"),
    ):  # fmt: skip
        if data.get(name) is not None:
            state[field] = _size(data[name], name)


def _size(value: Any, name: str) -> int:
    exact = name.endswith("_mib") and isinstance(value, int) and not isinstance(value, bool)
    size = value if exact else mebibytes(value)
    if size is None:
        raise ValueError(f"{name} '{value}' is no size: write it like \"12 GB\"")
    return int(size)


def _disks(value: Any) -> List[State]:
    if isinstance(value, list) and all(isinstance(item, Mapping) for item in value):
        return [dict(item) for item in value]
    free = _size(value, "disk")
    return [
        {"purpose": purpose, "path": "", "free_mib": free, "total_mib": free}
        for purpose in ("home", "tmp", "cache", "work")
    ]


def _indexes(data: Mapping[str, Any]) -> State:
    state: State = dict(data.get("indexes") or {})
    for field in dataclasses.fields(PackageIndexes):
        if field.name in data:
            value = data[field.name]
            state[field.name] = [value] if isinstance(value, str) and "Tuple" in str(field.type) else value
    return state


def _drivers(data: Mapping[str, Any], gpus: List[State]) -> List[State]:
    usable = [gpu for gpu in gpus if gpu.get("usable", True)]
    makers = [gpu["vendor"] for gpu in usable]
    # A driver's number is what NVIDIA's builds are judged by; other makers' builds ask for none.
    vendor = Vendor.NVIDIA if Vendor.NVIDIA in makers else next(iter(makers), Vendor.NVIDIA)
    cuda = str(data.get("cuda_version", data.get("cuda", "")) or "")
    drivers: List[State] = []
    stated = data.get("drivers", data.get("driver", data.get("driver_version")))
    for item in _many(stated):
        table = dict(item) if isinstance(item, Mapping) else {"version": str(item)}
        if "cuda" in table:
            table["cuda_version"] = table.pop("cuda")
        table.setdefault("vendor", vendor)
        # Windows' own number for an NVIDIA driver ("32.0.15.6094", Device Manager) holds NVIDIA's ("560.94").
        if str(getattr(table["vendor"], "value", table["vendor"])) == "nvidia":
            windows = Adapter(name="", driver=str(table.get("version", ""))).nvidia_driver
            table["version"] = windows or table.get("version", "")
        if cuda and str(getattr(table["vendor"], "value", table["vendor"])) == "nvidia":
            table.setdefault("cuda_version", cuda)
        drivers.append(table)
    for gpu in gpus:
        if gpu.get("_driver") and not any(driver["vendor"] == gpu["vendor"] for driver in drivers):
            drivers.append(
                {
                    "vendor": gpu["vendor"],
                    "version": str(gpu["_driver"]),
                    "cuda_version": str(gpu.get("_cuda") or gpu.get("_cuda_version") or cuda),
                }
            )
    if not drivers and cuda and vendor is Vendor.NVIDIA and stated is None:
        drivers.append({"vendor": vendor, "version": "", "cuda_version": cuda})
    return drivers


def _many(value: Any) -> List[Any]:
    if value is None or value == "":
        return []
    return list(value) if isinstance(value, (list, tuple)) else [value]


def _counted(name: str) -> Tuple[str, int]:
    match: Optional[re.Match[str]] = re.fullmatch(r"\s*(\d{1,2})\s*[x\u00d7*]\s*(.+?)\s*", name)
    if match:
        return match.group(2), int(match.group(1))
    match = re.fullmatch(r"\s*(.+?)\s*[x\u00d7*]\s?(\d{1,2})\s*", name)
    return (match.group(1), int(match.group(2))) if match and " " in name.strip() else (name.strip(), 1)
