"""Every patch of the shelf on the genuine wheel of its version: applies without a warning, reverses exactly."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any, Callable, Dict

import pytest

from dreamboot import patching
from dreamboot.host.local import LocalHost
from dreamboot.patching.site import distributions
from support.patch_trees import tree

pytestmark = pytest.mark.real
HOST = LocalHost()
SHELF = {patch.name: patch for patch in patching.shelf(HOST)}
WINDOWS = tuple(name for name in SHELF if "windows-dll" in name)

# Stands for the parts of a Windows machine that this one lacks: torch with GPUs, and the loader of DLLs.
STAND_IN = """
import ctypes, sys, types, json, warnings
case = json.loads(sys.argv[1])
warnings.simplefilter("always")
torch = types.ModuleType("torch")
torch.version = types.SimpleNamespace(cuda=case["cuda"])
gpus = case["gpus"]
torch.cuda = types.SimpleNamespace(
    is_available=lambda: bool(gpus), device_count=lambda: len(gpus),
    get_device_name=lambda i: gpus[i][0], get_device_capability=lambda i: tuple(gpus[i][1]))
sys.modules["torch"] = torch
sys.platform = "win32"
class Function:
    def __init__(self, name): self.name = name
    def __call__(self, *args): print("CALLED", self.name, [getattr(a, "value", a) for a in args])
class Library:
    def __getattr__(self, name):
        if name.startswith("__"): raise AttributeError(name)
        found = Function(name); setattr(self, name, found); return found
def load(path):
    assert isinstance(path, str), "ctypes on Windows takes no Path"
    open(path, "rb").close()
    print("LOADED", path.replace(chr(92), "/").rsplit("/", 1)[1])
    return Library()
ctypes.cdll = types.SimpleNamespace(LoadLibrary=load)
package = types.ModuleType("bitsandbytes"); package.__path__ = [case["folder"] + "/bitsandbytes"]
sys.modules["bitsandbytes"] = package
import bitsandbytes.cextension as extension
print("COMPILED", extension.COMPILED_WITH_CUDA)
if case.get("quantize"):
    size = ctypes.c_int32(case["quantize"])
    try: extension.lib.cquantize_blockwise_fp32(1, 2, 3, 4, size, ctypes.c_int(9))
    except NotImplementedError as error: print("REFUSED", error)
"""
NEW_CARD, OLD_CARD = ["NVIDIA GeForce RTX 3060", [8, 6]], ["NVIDIA GeForce GTX 1080 Ti", [6, 1]]


def version_of(name: str) -> str:
    target = SHELF[name].target
    assert target.versions.startswith("==")
    return f"{target.distribution}{target.versions}"


@pytest.fixture
def wheels(wheel_file: Callable[[str], Path]) -> Callable[[str], Dict[str, bytes]]:
    """A patch's name → the wheels that it takes files from."""

    def get(name: str) -> Dict[str, bytes]:
        return {wheel.sha256: wheel_file(wheel.requirement).read_bytes() for wheel in SHELF[name].wheels}

    return get


@pytest.mark.parametrize("name", sorted(SHELF))
def test_applies_to_the_genuine_wheel_and_back(name: str, unpacked: Any, wheels: Any) -> None:
    site = unpacked(version_of(name))
    before = tree(site)
    planned = patching.apply(HOST, site, [SHELF[name]], wheels(name))
    assert (planned.names, planned.warnings) == ((name,), ())
    for path in SHELF[name].paths:
        if path.endswith(".py"):
            compile((site / path).read_text(), path, "exec")
    from support.patch_trees import entry

    record = (site / distributions(HOST, site)[SHELF[name].target.distribution].record).read_text()
    for path in SHELF[name].paths:
        assert entry(path, (site / path).read_bytes()) in record.splitlines()
    patching.revert(HOST, site, [name])
    assert tree(site) == before


def windows(name: str, unpacked: Any, wheels: Any, **case: Any) -> str:
    """What a Windows machine would print on importing the patched package."""
    import json

    site = unpacked(version_of(name))
    patching.apply(HOST, site, [SHELF[name]], wheels(name))
    case = {"folder": str(site), **case}
    done = subprocess.run(
        [sys.executable, "-I", "-c", STAND_IN, json.dumps(case)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


@pytest.mark.parametrize("name", WINDOWS)
@pytest.mark.parametrize(
    ("cuda", "gpus", "expected", "compiled"),
    [
        ("11.6", [NEW_CARD], "LOADED libbitsandbytes_cuda116.dll", True),
        ("11.8", [NEW_CARD, OLD_CARD], "GTX 1080 Ti has compute capability 6.1", True),
        ("11.6", [OLD_CARD], "holds code for 7.5 and newer only", False),
        ("12.1", [NEW_CARD], "torch uses CUDA 12.1", False),
        (None, [], "this torch is a CPU build", False),
        ("11.6", [], "torch sees no NVIDIA GPU", False),
    ],
)
def test_windows_chooses_by_cuda_and_card(
    name: str, cuda: Any, gpus: Any, expected: str, compiled: bool, unpacked: Any, wheels: Any
) -> None:
    said = windows(name, unpacked, wheels, cuda=cuda, gpus=gpus)
    assert expected in said
    assert f"COMPILED {compiled}" in said
    assert ("LOADED" in said) == compiled


@pytest.mark.parametrize(("size", "expected"), [(4096, "[1, 2, 3, 4, 9]"), (256, "REFUSED")])
def test_the_older_dll_gets_no_block_size(size: int, expected: str, unpacked: Any, wheels: Any) -> None:
    name = "bitsandbytes/windows-dll-0.37"
    assert expected in windows(name, unpacked, wheels, cuda="11.6", gpus=[NEW_CARD], quantize=size)


def test_unpatched_windows_finds_no_library(unpacked: Any) -> None:
    """The fault that the patch is for: the wheel of 0.34.0 has nothing that Windows could load."""
    site = unpacked("bitsandbytes==0.34.0")
    assert not list((site / "bitsandbytes").rglob("*.dll"))
    assert list((site / "bitsandbytes").glob("*.so"))


def test_the_dll_has_every_symbol_that_the_optimizers_use(unpacked: Any, wheels: Any) -> None:
    import re

    name = "bitsandbytes/windows-dll-0.37"
    site = unpacked(version_of(name))
    patching.apply(HOST, site, [SHELF[name]], wheels(name))
    dll = (site / "bitsandbytes/libbitsandbytes_cuda116.dll").read_bytes()
    source = (site / "bitsandbytes/functional.py").read_text()
    used = set(re.findall(r"\blib\.(c(?:adam|momentum|rmsprop|adagrad|quantize|dequantize)\w+)", source))
    assert len(used) > 20
    assert not [symbol for symbol in used if b"\0" + symbol.encode() + b"\0" not in dll]
