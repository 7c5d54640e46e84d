"""An independent judge of plans: written from the data files alone, without any code of the planner or the catalog."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any, Dict, Iterator, List, Tuple

from packaging.specifiers import SpecifierSet

import dreamboot
from dreamboot.model import Machine, Plan, SourceKind, Vendor, Wish

DATA = Path(dreamboot.__file__).parent / "catalog" / "data"
MINIMUM = {
    "13": ("580", "580"), "12": ("525.60.13", "528.33"), "11": ("450.80.02", "452.39"), "10": ("440.33", "441.22"),
}  # fmt: skip


def rows(name: str) -> List[Dict[str, Any]]:
    found: List[Dict[str, Any]] = json.loads((DATA / f"{name}.json").read_text(encoding="utf-8"))["rows"]
    return found


TORCH = {row["torch"]: row for row in rows("torch")}
ARCHITECTURES, BITSANDBYTES, AMD = rows("architectures"), rows("bitsandbytes"), {row["gfx"]: row for row in rows("amd")}
CONFLICTS = rows("conflicts")
ACCELERATE = {row["accelerate"]: set(row["keys"]) for row in rows("accelerate")}


def version(text: str) -> Tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", text)[:4])


def reaches(have: str, need: str) -> bool:
    pad = 4
    return [*version(have), 0, 0, 0, 0][:pad] >= [*version(need), 0, 0, 0, 0][:pad]


def violations(machine: Machine, wish: Wish, plan: Plan, capabilities: Dict[int, str]) -> Iterator[str]:
    """Everything that is wrong with an accepted plan. `capabilities`: compute capability by GPU index."""
    platform = f"{machine.os}-{machine.arch}"
    release = TORCH[plan.torch.version]
    yield from _build(machine, plan, release, platform)
    yield from _python(machine, wish, plan, release, platform)
    if plan.device == "cuda" and plan.torch.tag.startswith("cu"):
        yield from _cuda(machine, plan, platform, [capabilities[index] for index in plan.gpus])
    if plan.device == "rocm":
        yield from _rocm(machine, plan)
    if not plan.profile:
        yield from _known_conflicts(machine, plan)
    yield from _settings(machine, plan, [capabilities.get(index, "") for index in plan.gpus])


def _build(machine: Machine, plan: Plan, release: Dict[str, Any], platform: str) -> Iterator[str]:
    tag = plan.torch.tag
    if plan.torch.source is SourceKind.PYTORCH_INDEX and tag not in release["index"].get(platform, ()):
        yield f"the PyTorch index has no {tag} for {platform}"
    if plan.torch.source is SourceKind.DEFAULT_INDEX and tag != release["default"].get(platform):
        yield f"the default index has no {tag} for {platform}"
    family = {"cuda": "cu", "rocm": "rocm", "xpu": "xpu", "mps": "mps"}.get(plan.device, "")
    if not tag.startswith(family) or (plan.device == "cuda" and tag == "cpu"):
        yield f"{tag} does not compute on {plan.device}"
    if not plan.profile and not reaches(plan.torch.version, "2.6"):
        yield "below the trainer's floor"
    if machine.os == "windows" and tag.startswith("cu") and plan.torch.source is SourceKind.DEFAULT_INDEX:
        yield "the default index has no CUDA builds for Windows"
    if machine.libc == "musl":
        yield "no wheels for musl"
    if (
        machine.os == "linux"
        and machine.libc_version
        and not plan.profile
        and not reaches(machine.libc_version, "2.28")
    ):
        yield "glibc is too old"
    if machine.os == "macos" and machine.os_version and not reaches(machine.os_version, release["macos"]):
        yield "macOS is too old"


def _python(machine: Machine, wish: Wish, plan: Plan, release: Dict[str, Any], platform: str) -> Iterator[str]:
    listed = plan.torch.source in (SourceKind.PYTORCH_INDEX, SourceKind.DEFAULT_INDEX)
    if listed and plan.python not in release.get("python_by_platform", {}).get(platform, release["python"]):
        yield f"torch {plan.torch.version} has no wheel for Python {plan.python}"
    if not plan.profile and not reaches(plan.python, "3.10"):
        yield "Python is below the floor"
    here = {python.path: python for python in machine.pythons}
    if plan.python_path:
        python = here[plan.python_path]
        if python.bits != 64 or python.free_threaded or python.implementation != "cpython":
            yield f"{python} can't run the environment"
        if not python.version.startswith(f"{plan.python}."):
            yield "the path is another Python's"
    elif wish.offline:
        yield "a Python would be downloaded although offline"
    if wish.offline and not plan.torch.url.startswith(("/", "file:")):
        yield "a remote source although offline"
    if any(source.kind is plan.torch.source and source.reachable is False for source in machine.sources):
        yield "the source is out of reach"


def _cuda(machine: Machine, plan: Plan, platform: str, capabilities: List[str]) -> Iterator[str]:
    tag, torch = plan.torch.tag, version(plan.torch.version)
    compiled = [
        row
        for row in ARCHITECTURES
        if row["tag"] == tag and platform in row["platforms"] and version(row["first"]) <= torch <= version(row["last"])
    ]
    for capability in capabilities:
        major, minor = version(capability)
        native = any(
            version(code)[0] == major and version(code)[1] <= minor for row in compiled for code in row["code"]
        )
        ptx = any(version(code) <= (major, minor) for row in compiled for code in row["ptx"])
        if not native and not ptx:
            yield f"no code for {capability}"
        if torch >= (2, 4) and (major, minor) < (5, 0):
            yield f"cuDNN 9 has no code for {capability}"
    driver = next((item for item in machine.drivers if item.vendor is Vendor.NVIDIA), None)
    minimum = MINIMUM[tag[2:-1]][machine.os == "windows" or machine.wsl > 0]
    if driver is not None and driver.version and not driver.cuda_version and not reaches(driver.version, minimum):
        yield f"driver {driver.version} does not reach {minimum}"
    yield from _bitsandbytes(plan, platform, capabilities)


def _bitsandbytes(plan: Plan, platform: str, capabilities: List[str]) -> Iterator[str]:
    wanted = plan.packages.get("bitsandbytes", "")[2:]
    if not wanted or plan.profile:
        return
    row = next(row for row in BITSANDBYTES if row["version"] == wanted)
    major = plan.torch.tag[2:-1]
    same = {name: code for name, code in row["libraries"][platform].items() if name.startswith(f"cuda{major}")}
    if not same:
        yield f"bitsandbytes {wanted} has no library for CUDA {major}"
    for capability in capabilities:
        have = version(capability)
        if not any(
            (version(code)[0] == have[0] and version(code) <= have) or ("PTX" in code and version(code)[:2] <= have)
            for codes in same.values()
            for code in codes
        ):
            yield f"bitsandbytes {wanted} has no code for {capability}"


def _known_conflicts(machine: Machine, plan: Plan) -> Iterator[str]:
    """Both sides of a row that names versions alone."""
    have = {name.replace("_", "-"): wanted[2:] for name, wanted in plan.packages.items() if wanted.startswith("==")}
    have.update(torch=plan.torch.version, system=machine.os)
    if plan.torch.tag.startswith("cu"):
        have["cuda"] = f"{plan.torch.tag[2:-1]}.{plan.torch.tag[-1]}"
    for row in CONFLICTS:
        holds = row.get("holds", {})
        if holds and set(holds) <= set(have) and row["rule"] in ("pin", "bitsandbytes"):
            words = {name: wanted for name, wanted in holds.items() if wanted.isalpha()}
            rest = {name: SpecifierSet(wanted) for name, wanted in holds.items() if name not in words}
            if all(have[name] == wanted for name, wanted in words.items()) and all(
                wanted.contains(have[name].partition("+")[0]) for name, wanted in rest.items()
            ):
                yield f"it holds both sides of {row['id']}"


def _rocm(machine: Machine, plan: Plan) -> Iterator[str]:
    if platform_is_not_rocm(machine):
        yield "ROCm wheels are for Linux on x86_64"
    override = plan.environment.get("HSA_OVERRIDE_GFX_VERSION", "")
    for gpu in machine.gpus:
        if gpu.index not in plan.gpus or gpu.vendor is not Vendor.AMD:
            continue
        family = "10.3.0" if gpu.gfx.startswith("gfx103") else "11.0.0" if gpu.gfx.startswith("gfx110") else ""
        native = plan.torch.tag in AMD.get(gpu.gfx, {}).get("tags", ())
        if not native and (not override or override != family):
            yield f"{plan.torch.tag} does not run on {gpu.gfx} with override {override!r}"
        if native and override:
            yield "an override where none is needed"


def platform_is_not_rocm(machine: Machine) -> bool:
    return machine.os != "linux" or machine.arch != "x86_64"


def _settings(machine: Machine, plan: Plan, capabilities: List[str]) -> Iterator[str]:
    precision = plan.preset.mixed_precision
    if plan.device == "cuda":
        if precision == "bf16" and any(version(capability) < (8, 0) for capability in capabilities):
            yield "bf16 below 8.0"
        sixteen = any(
            re.search(r"GTX 16\d\d", gpu.name) for gpu in machine.gpus
            if gpu.index in plan.gpus and gpu.vendor is Vendor.NVIDIA
        )  # fmt: skip
        if sixteen and precision != "no":
            yield "fp16 on a GTX 16xx"
    known = ACCELERATE.get(plan.packages.get("accelerate", "")[2:])
    if known is not None and set(plan.accelerate) - known:
        yield f"accelerate does not know {set(plan.accelerate) - known}"
    if plan.accelerate.get("use_cpu") is not (plan.device == "cpu") and "use_cpu" in plan.accelerate:
        yield "use_cpu contradicts the device"
