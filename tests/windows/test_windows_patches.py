"""Detection with NVIDIA's stand-ins, and the seed's DLL repair on a genuine Windows tree.

bitsandbytes 0.35.4 had no Windows build; the repair brings a DLL of CUDA 11.6 and chooses it by CUDA and GPU. Without
CUDA the DLL's own code is loaded with stand-ins for NVIDIA's run time, and not called.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from support.dreamboot import ROOT
from support.patch_trees import tree
from support.wine import DRIVE, WINE, answer, batch, compile_program, in_wine, python

pytestmark = in_wine
# Where the tool's own environment stands already, for the other tests.
HOME = "%LOCALAPPDATA%\\dreamboot"
SITE = DRIVE / "seed tree"
PATCH = "bitsandbytes/windows-dll-0.35"
CAPTURE = ROOT / "tests/captures/windows-geforce-rtx-2080-super__610.62"
SYSTEM = DRIVE / "windows/system32"

# nvidia-smi of a recorded machine: it prints the file that fits its arguments.
NVIDIA_SMI = r"""
#include <stdio.h>
#include <string.h>
int main(int count, char **words) {
    const char *name = "C:\\smi\\table.txt";
    if (count > 1) {
        if (strstr(words[1], "--query-gpu")) name = "C:\\smi\\csv.txt";
        else if (strcmp(words[1], "--version") == 0) name = "C:\\smi\\version.txt";
        else if (strcmp(words[1], "-q") == 0) name = "C:\\smi\\q.txt";
    }
    FILE *file = fopen(name, "rb");
    int letter;
    if (!file) return 9;
    while ((letter = fgetc(file)) != EOF) putchar(letter);
    return 0;
}
"""
# The real probe with time for a slow machine: Wine takes seconds to start a program.
DETECT = r"""
import json, sys
from pathlib import Path
sys.path.insert(0, "Z:\\repo\\installer")
from dreamboot.host import current
from dreamboot.machine import survey
from dreamboot.machine.asking import Asking
from dreamboot.machine.probes import nvidia
nvidia.NVML_SECONDS = nvidia.SMI_SECONDS = 60.0
facts = nvidia.probe(Asking(current(), Path("C:\\"), seconds=200.0))
machine = survey.join("windows", [facts], ())
gpu = machine.gpus[0]
print("GPU", json.dumps([gpu.name, gpu.vram_total_mib, gpu.compute_capability, gpu.driver_model,
                         machine.drivers[0].version, machine.drivers[0].cuda_version]))
"""


@pytest.fixture(scope="module")
def smi():
    """A driver's nvidia-smi.exe in System32."""
    (DRIVE / "smi").mkdir(exist_ok=True)
    for kind in ("table", "csv", "version", "q"):
        shutil.copy(f"{CAPTURE}.{kind}.txt", DRIVE / "smi" / f"{kind}.txt")
    compile_program(NVIDIA_SMI, SYSTEM / "nvidia-smi.exe", "-O1")
    yield
    (SYSTEM / "nvidia-smi.exe").unlink()
    shutil.rmtree(DRIVE / "smi")


def gpu(said: str) -> list[object]:
    """The line of `DETECT`."""
    found = re.search(r"(?m)^GPU (.*)$", said)
    assert found, said
    return json.loads(found.group(1))


def test_a_gpu_is_read_from_nvidia_smi_exe(smi):
    assert gpu(python(DETECT, tool=True)) == ["NVIDIA GeForce RTX 2080 SUPER", 8192, "7.5", "WDDM", "610.62", "13.3"]


def test_a_gpu_is_read_from_nvml_dll():
    """NVIDIA's own client loads the stand-in library in a child process."""
    source = ROOT / "tests/support/stub_nvml.c"
    library = SYSTEM / "nvml.dll"
    compile_program(source.read_text(), library, "-shared", "-O1")
    try:
        found = gpu(python(DETECT, tool=True))
    finally:
        library.unlink()
    assert found[0] == "NVIDIA GeForce RTX 4090"
    assert found[4:] == ["580.65.06", "13.0"]


@pytest.fixture(scope="module")
def stated() -> str:
    """A machine with an NVIDIA card, stated: how fast Wine answers must not decide whether the patch applies."""
    (DRIVE / "stated.json").write_text(
        json.dumps(
            {
                "schema": 1, "os": "windows", "arch": "x86_64", "cpu_cores": 2, "ram_total_mib": 16384,
                "gpus": [{"vendor": "nvidia", "name": "NVIDIA GeForce RTX 3060", "compute_capability": "8.6"}],
                "drivers": [{"vendor": "nvidia", "version": "551.61"}],
            }
        )
    )  # fmt: skip
    return f'--assume C:\\stated.json --site-packages "C:\\{SITE.name}"'


@pytest.fixture(scope="module")
def patched(stated):
    """The genuine bitsandbytes 0.35.4 as pip on Windows installs it, patched by the command; and what it was before."""
    shutil.rmtree(SITE, ignore_errors=True)
    said = batch(f'python -m pip install --quiet --no-deps --target "C:\\{SITE.name}" bitsandbytes==0.35.4\n', 300)
    assert (SITE / "bitsandbytes/cextension.py").is_file(), said
    before = tree(SITE)
    listed = answer(f"patch list {stated}", home=HOME)["patches"]
    assert [row["name"] for row in listed if row["applies"]] == [PATCH]
    assert answer(f"patch apply --yes {stated}", home=HOME)["applied"] == [PATCH]
    yield before
    shutil.rmtree(SITE, ignore_errors=True)


def test_it_is_in_place_and_says_so(patched, stated):
    assert (SITE / "bitsandbytes/libbitsandbytes_cuda116.dll").stat().st_size > 1_000_000
    (row,) = answer(f"patch verify {stated}", home=HOME)["verified"]
    assert (row["name"], row["state"]) == (PATCH, "applied")
    listed = {row["name"]: row["state"] for row in answer(f"patch list {stated}", home=HOME)["patches"]}
    assert listed[PATCH] == "applied"


# A torch that says which CUDA and cards there are; everything below it is Windows' own.
IMPORT = r"""
import os, sys, types, warnings
warnings.simplefilter("always")
torch = types.ModuleType("torch")
torch.version = types.SimpleNamespace(cuda=%(cuda)r)
torch.cuda = types.SimpleNamespace(is_available=lambda: %(cuda)r is not None, device_count=lambda: 1,
    get_device_name=lambda i: "NVIDIA GeForce RTX 3060", get_device_capability=lambda i: (8, 6))
sys.modules["torch"] = torch
package = types.ModuleType("bitsandbytes"); package.__path__ = [%(site)r + "\\bitsandbytes"]
sys.modules["bitsandbytes"] = package
import bitsandbytes.cextension as extension
print("COMPILED", extension.COMPILED_WITH_CUDA)
print("LIBRARY", type(extension.lib).__name__)
if extension.COMPILED_WITH_CUDA:
    print("FUNCTION", bool(extension.lib.cadam32bit_g32))
"""


def imported(cuda: str | None) -> str:
    """What Windows' Python says when it imports the patched package on top of such a torch."""
    return python(IMPORT % {"cuda": cuda, "site": f"C:\\{SITE.name}"})


def test_without_cuda_it_imports_and_says_why_there_are_no_8_bit_optimizers(patched):
    said = imported(None)
    assert "this torch is a CPU build" in said
    assert "COMPILED False" in said


def test_the_dll_itself_is_whole_for_windows(patched):
    """Windows' loader maps it; only NVIDIA's libraries, which it asks for, are not here."""
    said = python(
        "import ctypes, ctypes.wintypes as types\n"
        f"path = r'C:\\{SITE.name}\\bitsandbytes\\libbitsandbytes_cuda116.dll'\n"
        "try: ctypes.CDLL(path)\n"
        "except FileNotFoundError as error: print('PLAIN', error)\n"
        "kernel = ctypes.WinDLL('kernel32', use_last_error=True)\n"
        "kernel.LoadLibraryExW.restype = types.HMODULE\n"
        "kernel.GetProcAddress.restype = ctypes.c_void_p\n"
        "kernel.GetProcAddress.argtypes = [types.HMODULE, ctypes.c_char_p]\n"
        "whole = kernel.LoadLibraryExW(path, None, 1)\n"
        "print('MAPPED', bool(whole), all(kernel.GetProcAddress(whole, name) for name in "
        "(b'cadam32bit_g32', b'cadam_8bit_blockwise_fp32', b'cquantize_blockwise_fp32')))\n"
    )
    assert "PLAIN Could not find" in said, said
    assert "one of its dependencies" in said, said
    assert "MAPPED True True" in said, said


def test_with_a_cuda_run_time_that_does_nothing_it_loads(patched):
    """Each library of NVIDIA's that the DLL imports is stood for by one with the same names."""
    folder = SITE / "bitsandbytes"
    wanted = imports(folder / "libbitsandbytes_cuda116.dll")
    assert any(name.startswith("cublas64_11") for name in wanted), wanted
    made = [stand_in(name, functions, folder) for name, functions in wanted.items()]
    try:
        said = imported("11.6")
    finally:
        for path in made:
            path.unlink()
    assert "COMPILED True" in said, said
    assert "LIBRARY CDLL" in said, said
    assert "FUNCTION True" in said, said


def imports(library: Path) -> dict[str, list[str]]:
    """NVIDIA's libraries that a DLL asks for, with the functions; those that Windows brings are left out."""
    words = ["chroot", str(WINE), "x86_64-w64-mingw32-objdump", "-p", f"/{library.relative_to(WINE)}"]
    listed = subprocess.run(words, capture_output=True, text=True, check=True).stdout
    found: dict[str, list[str]] = {}
    for part in listed.split("DLL Name: ")[1:]:
        name = part.split(None, 1)[0]
        if name.lower().startswith(("cu", "nv")):
            found[name] = re.findall(r"(?m)^\s+[0-9a-f]+\s+(?:<none>\s+[0-9a-f]+|\d+)\s+(\w+)\s*$", part)
    return found


def stand_in(name: str, functions: list[str], folder: Path) -> Path:
    """A DLL whose functions all answer 1, which is an error to CUDA."""
    assert functions, name
    exports = "\n".join(f"{function} = one" for function in functions)
    names = f"LIBRARY {name}\nEXPORTS\n{exports}\n"
    compile_program("int one(void) { return 1; }\n", folder / name, "-shared", more=names)
    return folder / name


def test_reverted_it_is_what_pip_installed(patched, stated):
    assert answer(f"patch revert --yes {stated}", home=HOME)["reverted"] == [PATCH]
    after = {name: found for name, found in tree(SITE).items() if "__pycache__" not in name}
    assert after == {name: found for name, found in patched.items() if "__pycache__" not in name}
