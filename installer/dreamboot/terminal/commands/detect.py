"""`dreamboot detect`: what this machine is."""

from __future__ import annotations

import argparse
from typing import Any, Dict, Iterator, List, Mapping, Optional, Tuple, Union

from dreamboot.app.context import Context
from dreamboot.model import Event, Report

HELP = "what this machine is"
Fields = Mapping[str, Any]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """None of its own: `--assume`, `--offline` and `--json` are common to all commands."""


def run(args: argparse.Namespace, context: Context) -> Iterator[Union[Event, Report]]:  # noqa: ARG001 - of all commands
    """The use case."""
    from dreamboot.app.detect import detect

    return detect(context)


def render(report: Report) -> Any:
    """Two columns: what is asked about, and the lines that answer it."""
    from rich.table import Table
    from rich.text import Text

    table = Table.grid(padding=(0, 2))
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for title, lines in sections(report.data):
        for place, (line, style) in enumerate(lines):
            table.add_row(title if place == 0 else "", Text(line, style=style))
    return table


Line = Tuple[str, str]


def sections(machine: Fields) -> List[Tuple[str, List[Line]]]:
    """(title, lines with their style) of everything that is worth reading; empty sections are left out."""
    found = [
        ("System", _plain([_system(machine)])),
        ("Processor", _plain([_processor(machine)])),
        ("Memory", _plain([_memory(machine)])),
        ("GPU", _gpus(machine)),
        ("Driver", _plain([_driver(driver) for driver in machine["drivers"]])),
        ("Python", _pythons(machine["pythons"])),
        ("Disk", _disks(machine["disks"])),
        ("Packages", _packages(machine)),
        ("Containers", _plain([_engine(engine) for engine in machine["engines"]])),
        ("Environment", _plain([f"{name}={text}" for name, text in machine["environment"].items()])),
        ("Trouble", [(line, "yellow") for fault in machine["faults"] for line in _fault(fault)]),
        ("Not asked", [(f"{run['probe']}: {run['failed']}", "yellow") for run in machine["probes"] if run["failed"]]),
    ]
    return [(title, lines) for title, lines in found if lines]


def _plain(lines: List[str]) -> List[Line]:
    return [(line, "") for line in lines if line]


def _system(machine: Fields) -> str:
    libc = " ".join(filter(None, (machine["libc"], machine["libc_version"])))
    places = [f"WSL{machine['wsl']}" if machine["wsl"] else "", machine["container"] and f"in {machine['container']}"]
    paths = {True: "long paths allowed", False: "long paths not allowed (over 260 characters)"}
    parts = [
        machine["distribution"] or machine["os"],
        machine["os_version"] if machine["os_version"] not in machine["distribution"] else "",
        machine["arch"],
        libc,
        *places,
        paths.get(machine["long_paths"], ""),
    ]
    return ", ".join(part for part in parts if part)


def _processor(machine: Fields) -> str:
    cores = machine["cpu_cores"]
    flags = ", ".join(machine["cpu_flags"])
    name = machine["cpu"] or "unknown"
    return f"{name}, {cores} core{'s' if cores != 1 else ''}" + (f" ({flags})" if flags else "")


def _memory(machine: Fields) -> str:
    total, free = machine["ram_total_mib"], machine["ram_free_mib"]
    if total is None:
        return ""
    parts = [f"{gib(free)} free of {gib(total)}" if free is not None else gib(total)]
    if machine["swap_total_mib"] is not None:
        parts.append(f"swap {gib(machine['swap_total_mib'])}" if machine["swap_total_mib"] else "no swap")
    if machine["shared_memory_mib"] is not None:
        parts.append(f"shared memory {gib(machine['shared_memory_mib'])}")
    return ", ".join(parts)


def gib(mib: Optional[int]) -> str:
    """MiB as GiB with one digit; small amounts stay in MiB."""
    if mib is None:
        return "unknown"
    return f"{mib} MiB" if mib < 1024 else f"{mib / 1024:.1f} GiB"


def _gpus(machine: Fields) -> List[Line]:
    lines: List[Line] = []
    for gpu in machine["gpus"]:
        lines.append((f"{gpu['index']}: {gpu['name']}{_gpu_facts(gpu)}", "" if gpu["usable"] else "dim"))
        held = sorted(gpu["processes"], key=lambda process: -(process["vram_mib"] or 0))
        lines += [(f"   held by {process_line(process)}", "dim") for process in held[:5]]
        if len(held) > 5:
            lines.append((f"   and {len(held) - 5} more programs", "dim"))
    if not any(gpu["usable"] for gpu in machine["gpus"]):
        lines.append(("none that PyTorch computes on", ""))
    return lines


def _gpu_facts(gpu: Fields) -> str:
    total, free = gpu["vram_total_mib"], gpu["vram_free_mib"]
    facts = []
    if total is not None:
        facts.append(f"{gib(free)} free of {gib(total)}" if free is not None else gib(total))
    if gpu["compute_capability"]:
        facts.append(f"compute capability {gpu['compute_capability']}")
    facts += [gpu["gfx"], gpu["driver_model"], "MIG" if gpu["mig"] else "", "integrated" if gpu["integrated"] else ""]
    if not gpu["usable"]:
        facts.append("shows pictures only")
    told = ", ".join(fact for fact in facts if fact)
    return f", {told}" if told else ""


def process_line(process: Fields) -> str:
    """ "python (process 4711), 2.3 GiB"."""
    size = f", {gib(process['vram_mib'])}" if process["vram_mib"] is not None else ""
    return f"{process['name'] or 'a program'} (process {process['pid']}){size}"


def _driver(driver: Fields) -> str:
    cuda = f", runs CUDA up to {driver['cuda_version']} natively" if driver["cuda_version"] else ""
    return f"{driver['vendor']} {driver['version'] or 'of unknown version'}{cuda}"


def _pythons(pythons: List[Fields]) -> List[Line]:
    lines: List[Line] = []
    for python in pythons:
        marks = [
            python["kind"],
            python["implementation"] if python["implementation"] != "cpython" else "",
            "32-bit" if python["bits"] == 32 else "",
            "free-threaded" if python["free_threaded"] else "",
            "" if python["has_venv"] else "no venv",
        ]
        lines.append((f"{python['version']:8} {python['path']} ({', '.join(mark for mark in marks if mark)})", ""))
    return lines


def _disks(disks: List[Fields]) -> List[Line]:
    """A line per room that is shared, then the paths in it."""
    rooms: Dict[Tuple[str, str], List[Fields]] = {}
    for disk in disks:
        rooms.setdefault((gib(disk["free_mib"]), gib(disk["total_mib"])), []).append(disk)
    lines: List[Line] = []
    for (free, total), inside in rooms.items():
        lines.append((f"{free} free of {total}", ""))
        for disk in inside:
            note = "" if disk["writable"] else ", not writable"
            lines.append((f"  {disk['purpose']:5} {disk['path']}{note}", "" if disk["writable"] else "yellow"))
    return lines


def _packages(machine: Fields) -> List[Line]:
    lines: List[Line] = []
    words = {True: "reachable", False: "not reachable", None: "not tried"}
    for source in machine["sources"]:
        wheels = source["torch_wheels"]
        shown = f", {len(wheels)} torch wheel{'s' if len(wheels) != 1 else ''}" if wheels else ""
        newest = f" ({wheels[-1].split('-')[1]})" if len(wheels) == 1 else ""
        # Of a source that answered, "reachable" says nothing that its wheels, or why it has none, don't say better.
        state = source["reason"] if source["reachable"] and source["reason"] else words[source["reachable"]]
        why = f": {source['reason']}" if source["reachable"] is False and source["reason"] else ""
        place = f" {source['url']}" if source["url"] else ""
        style = "dim" if source["reachable"] is False else ""
        lines.append((f"{source['kind']}{place}: {state}{why}{shown}{newest}", style))
    lines += [(f"{name}: {text}", "") for name, text in _settings(machine["indexes"]).items() if text]
    return lines


def _settings(indexes: Fields) -> Dict[str, str]:
    return {
        "constraints": ", ".join(indexes["constraints"]),
        "certificate": indexes["certificate"],
        "proxy": indexes["proxy"],
        "read from": ", ".join(indexes["read_from"]),
    }


def _engine(engine: Fields) -> str:
    ways = ", ".join(engine["gpu_access"])
    parts = [
        f"{engine['name']} {engine['version']}".strip(),
        "running" if engine["running"] else "not running",
        "rootless" if engine["rootless"] else "",
        f"GPU access by {ways}" if ways else "no GPU access set up",
        f"CDI devices: {', '.join(engine['cdi_devices'])}" if engine["cdi_devices"] else "",
    ]
    return ", ".join(part for part in parts if part)


def _fault(fault: Fields) -> List[str]:
    return [f"{fault['id']}: {fault['cause']}", *([f"   {fault['evidence']}"] if fault["evidence"] else [])]
