"""Which build do we choose on the stated machines, which do uv's own `--torch-backend=auto` and light-the-torch?

Judged by the catalog's architecture lists and driver minimums alone: a choice is right when the build has code for
every GPU that it is for and the driver reaches its CUDA's minimum. Where no build can work, a refusal or the CPU build
is right.

uv is run for each machine with its own overrides (UV_CUDA_DRIVER_VERSION, UV_AMD_GPU_ARCHITECTURE); the indexes that it
asks for, in their order, are its choice: it takes the first that has a torch for the platform. light-the-torch is run
with a stand-in for nvidia-smi that answers with the machine's driver; it takes the highest CUDA tag that it knows.

    python benchmarks/plan_vs_peers.py --light-the-torch PYTHON [--write docs/explanation/plan-vs-peers.md]

PYTHON: an interpreter that has light-the-torch installed (from the default package index).
"""

from __future__ import annotations

import argparse
import os
import re
import stat
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Dict, Iterator, List, Optional, Sequence, Tuple

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "installer"), str(ROOT / "tests")]

import uv  # noqa: E402

from dreamboot import catalog, planning  # noqa: E402
from dreamboot.catalog.versions import at_least, cuda_of, numbers  # noqa: E402
from dreamboot.model import Driver, Gpu, Machine, Plan, Vendor, Wish  # noqa: E402
from dreamboot.planning.target import DEVICE, card_of  # noqa: E402
from machines import cases  # noqa: E402

PLATFORM = {
    "linux-x86_64": "x86_64-manylinux_2_28",
    "linux-aarch64": "aarch64-manylinux_2_28",
    "windows-x86_64": "x86_64-pc-windows-msvc",
}
CHILD = """
import platform, sys
platform.system = lambda: sys.argv[1]
from light_the_torch import _cb
print(" ".join(str(item) for item in sorted(_cb.detect_compatible_computation_backends(), reverse=True)))
"""


@dataclass(frozen=True)
class Build:
    """A torch build that somebody would install; `tag` "" means a refusal."""

    version: str = ""
    tag: str = ""

    def __str__(self) -> str:
        return f"{self.version}+{self.tag}" if self.tag else "refused"


def stated() -> Iterator[Tuple[str, Machine]]:
    """Stated machines with GPUs, the PyTorch index in reach and nothing pinned: what peers can be asked about."""
    for case in cases():
        machine = case.machine
        plain = case.wish == Wish() and all(source.reachable is None for source in machine.sources)
        unbound = not machine.indexes.no_index and not machine.indexes.constraints
        # Peers can't be told that a WSL 1 gives no program its GPU.
        if plain and unbound and machine.wsl != 1 and f"{machine.os}-{machine.arch}" in PLATFORM and gpus_of(machine):
            yield case.name, machine


def gpus_of(machine: Machine) -> List[Gpu]:
    """The GPUs that a build must serve: the discrete ones of NVIDIA, else those of AMD."""
    for vendor in (Vendor.NVIDIA, Vendor.AMD):
        found = [gpu for gpu in machine.gpus if gpu.vendor is vendor and not gpu.integrated]
        if found:
            return found
    return []


def capability_of(gpu: Gpu) -> str:
    """As the machine reports it, else by the catalog."""
    return card_of(gpu, catalog.load()).compute_capability


def ours(machine: Machine) -> Tuple[Build, Optional[List[Gpu]]]:
    """Our choice, and the GPUs that it is for."""
    plan = planning.plan(machine, Wish(), catalog.load())
    if not isinstance(plan, Plan):
        return Build(), None
    maker = {device: vendor for vendor, device in DEVICE.items()}.get(plan.device)
    gpus = [gpu for gpu in machine.gpus if gpu.vendor is maker and gpu.index in plan.gpus]
    return Build(plan.torch.version, plan.torch.tag), gpus


def uvs(machine: Machine, python: Path) -> Optional[Build]:
    """uv's choice; None for a machine that it can't be told about."""
    driver = next((item for item in machine.drivers if item.vendor is Vendor.NVIDIA), None)
    gpus = gpus_of(machine)
    if gpus[0].vendor is Vendor.NVIDIA and (driver is None or not driver.version):
        return None
    kept = {name: text for name, text in os.environ.items() if not name.startswith(("UV_", "PIP_"))}
    kept["UV_HTTP_RETRIES"] = "0"
    if gpus[0].vendor is Vendor.NVIDIA and driver is not None:
        kept["UV_CUDA_DRIVER_VERSION"] = driver.version
    else:
        kept["UV_AMD_GPU_ARCHITECTURE"] = min(gpu.gfx or "gfx1100" for gpu in gpus)
    platform = f"{machine.os}-{machine.arch}"
    command = [
        uv.find_uv_bin(), "pip", "install", "--no-config", "--python", str(python), "--python-platform",
        PLATFORM[platform], "--only-binary", ":all:", "--dry-run", "--torch-backend=auto", "--no-cache", "-v", "torch",
        "--target", str(python.parent / "no-such-folder"),
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, env=kept, timeout=120, check=False)
    if "Unknown AMD GPU" in done.stderr or "unknown AMD" in done.stderr:
        return Build(_newest("cpu", platform, machine), "cpu")
    # It asks its indexes at the same time, but prefers them newest first, and the CPU's last.
    tags = set(re.findall(r"whl/([a-z]+[0-9.]*)/torch/", done.stderr))
    asked = sorted(tags, key=lambda tag: [int(part) for part in re.findall(r"\d+", tag)], reverse=True)
    return first_that_exists(asked, platform, machine)


def lights(machine: Machine, python: Path, folder: Path) -> Optional[Build]:
    """light-the-torch's choice; it knows NVIDIA's driver alone, everything else is a CPU to it."""
    driver = next((item for item in machine.drivers if item.vendor is Vendor.NVIDIA), None)
    if gpus_of(machine)[0].vendor is Vendor.NVIDIA and (driver is None or not driver.version):
        return None
    system = {"linux": "Linux", "windows": "Windows"}[machine.os]
    done = subprocess.run(
        [str(python), "-c", CHILD, system], capture_output=True, text=True, timeout=60, check=True,
        env={**os.environ, "PATH": str(stand_in(folder, driver))},
    )  # fmt: skip
    platform = f"{machine.os}-{machine.arch}"
    for tag in done.stdout.split():
        found = [row.torch for row in catalog.load().releases if tag in row.index.get(platform, ())]
        if found:
            # It compares versions of one tag as text, so 2.9.1 comes after 2.14.1.
            return Build(max(found), tag)
    return Build()


def stand_in(folder: Path, driver: Optional[Driver]) -> Path:
    """A folder with an nvidia-smi that prints the driver version, or with nothing."""
    place = folder / (driver.version if driver else "none")
    place.mkdir(exist_ok=True)
    if driver is not None:
        script = place / "nvidia-smi"
        script.write_text(f"#!/bin/sh\necho driver_version\necho {driver.version}\n", encoding="utf-8")
        script.chmod(script.stat().st_mode | stat.S_IXUSR)
    return place


def first_that_exists(tags: Sequence[str], platform: str, machine: Machine) -> Build:
    """The first of uv's indexes that has a torch for the platform, and the newest torch there."""
    for tag in tags:
        version = _newest(tag, platform, machine)
        if version:
            return Build(version, tag)
    return Build()


def _newest(tag: str, platform: str, machine: Machine) -> str:
    minors = {".".join(python.version.split(".")[:2]) for python in machine.pythons}
    found = [
        row.torch
        for row in catalog.load().releases
        if tag in row.index.get(platform, ()) and minors & set(row.python_by_platform.get(platform, row.python))
    ]
    return max(found, key=numbers, default="")


def judge(build: Build, machine: Machine, gpus: Sequence[Gpu], *, possible: bool) -> str:
    """ "right", or what is wrong with the choice."""
    if not build.tag or build.tag == "cpu":
        return "right" if not possible else "leaves the GPU unused"
    if not possible:
        return (
            "installs a build that can't work"
            if _fault(build, machine, gpus)
            else "a build that does not run there, or that nothing of today trains on"
        )
    return _fault(build, machine, gpus) or "right"


def _fault(build: Build, machine: Machine, gpus: Sequence[Gpu]) -> str:
    known, platform = catalog.load(), f"{machine.os}-{machine.arch}"
    if gpus[0].vendor is Vendor.AMD:
        for gpu in gpus:
            row = known.amd(gpu.gfx or card_of(gpu, known).gfx)
            if row is None or not (build.tag in row.tags or (row.override and build.tag.startswith("rocm"))):
                return f"no code for {gpu.gfx}"
        return ""
    compiled = known.architectures(build.version, build.tag, platform)
    for gpu in gpus:
        have = numbers(capability_of(gpu))
        code = [numbers(text) for text in compiled.code] if compiled else []
        ptx = [numbers(text) for text in compiled.ptx] if compiled else []
        if not any(one[:1] == have[:1] and one <= have for one in code) and not any(one <= have for one in ptx):
            return f"no code for {'.'.join(map(str, have))}"
    return _driver_fault(build, machine)


def _driver_fault(build: Build, machine: Machine) -> str:
    driver = next((item for item in machine.drivers if item.vendor is Vendor.NVIDIA), None)
    windows = machine.os == "windows" or machine.wsl > 0
    need = catalog.load().cuda_minimum(cuda_of(build.tag), windows=windows)
    if driver is None or not driver.version or at_least(driver.version, need):
        return ""
    forward = driver.cuda_version and at_least(driver.cuda_version, cuda_of(build.tag))
    return "" if forward else f"driver {driver.version} is below {need}"


def compare(light: Optional[Path]) -> Tuple[List[Tuple[str, ...]], Dict[str, List[int]]]:
    """(one row per machine, right and judged choices per chooser)."""
    table, score = [], {"dreamboot": [0, 0], "uv auto": [0, 0], "light-the-torch": [0, 0]}
    with tempfile.TemporaryDirectory() as text:
        folder = Path(text)
        for name, machine in stated():
            if any(gpu.vendor is Vendor.NVIDIA and not capability_of(gpu) for gpu in gpus_of(machine)):
                continue
            mine, mine_for = ours(machine)
            possible = bool(mine.tag) and mine.tag != "cpu"
            choices = {"dreamboot": mine, "uv auto": uvs(machine, Path(sys.executable))}
            if light is not None:
                choices["light-the-torch"] = lights(machine, light, folder)
            cells = []
            for who, build in choices.items():
                if build is None:
                    cells.append("not asked")
                    continue
                gpus = mine_for if mine_for else gpus_of(machine)
                verdict = judge(build, machine, gpus, possible=possible)
                score[who][0] += verdict == "right"
                score[who][1] += 1
                cells.append(f"{build}" if verdict == "right" else f"{build}: **{verdict}**")
            table.append((name.partition(": ")[2] or name, *cells))
    return table, score


def document(table: Sequence[Tuple[str, ...]], score: Dict[str, List[int]]) -> str:
    """The comparison as Markdown."""
    asked = [who for who, (_, judged) in score.items() if judged]
    lines = [
        "# Our plans and those of peers", "",
        "Written by `benchmarks/plan_vs_peers.py`, which explains how the peers are asked. A choice is right when",
        "the build holds code for every GPU that it is for, by the catalog's architecture lists, and the driver",
        "reaches its CUDA's minimum; where no build can work, a refusal or the CPU build is right. The judge uses",
        "the same catalog as our planner: it shows what a chooser overlooks (the compute capability), not that the",
        "catalog is true.",
        "Several GPUs: all choices are judged for the GPUs that our plan is for.", "",
        "| | right | of |", "|-|-|-|",
        *(f"| {who} | {right} | {judged} |" for who, (right, judged) in score.items() if judged), "",
        "| machine | " + " | ".join(asked) + " |", "|-" * (len(asked) + 1) + "|",
        *("| " + " | ".join(row) + " |" for row in table),
    ]  # fmt: skip
    return "\n".join(lines) + "\n"


def main() -> None:
    """Compare, print the score, and write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--light-the-torch", type=Path, metavar="PYTHON")
    parser.add_argument("--write", type=Path)
    args = parser.parse_args()
    table, score = compare(args.light_the_torch)
    text = document(table, score)
    if args.write:
        args.write.write_text(text, encoding="utf-8")
    for who, (right, judged) in score.items():
        print(f"{who}: {right} of {judged} right")
    if not args.write:
        print(text)


if __name__ == "__main__":
    main()
