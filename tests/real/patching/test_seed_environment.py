"""The stack of 2022 for real: Python 3.8, torch 1.12.1, diffusers 0.7.2, bitsandbytes 0.34, patched by the command.

Set DREAMBOOT_SEED_PYTHON to an interpreter that has these already; without it about 900 MB are downloaded.
"""

from __future__ import annotations

import ctypes
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, Iterator, Tuple

import pytest

from support.patch_trees import tree

pytestmark = pytest.mark.real
ROOT = Path(__file__).resolve().parents[3]
STACK = (
    "torch==1.12.1", "bitsandbytes==0.34.0", "diffusers==0.7.2", "transformers==4.24.0", "accelerate==0.14.0",
    "huggingface_hub==0.11.1", "scipy",
)  # fmt: skip


@pytest.fixture(scope="module")
def seed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The interpreter of such an environment."""
    given = os.environ.get("DREAMBOOT_SEED_PYTHON")
    if given:
        return Path(given)
    import uv

    folder = tmp_path_factory.mktemp("seed") / "venv"
    python = folder / "bin" / "python"
    for command in (["venv", "--python", "3.8", str(folder)], ["pip", "install", "--python", str(python), *STACK]):
        done = subprocess.run([uv.find_uv_bin(), "-q", *command], capture_output=True, text=True, check=False)
        if done.returncode:
            pytest.skip(f"the stack of 2022 can't be installed here: {done.stderr[-300:]}")
    return python


@pytest.fixture
def home(tmp_path: Path, seed: Path) -> Iterator[Path]:
    """A home folder; whatever was applied is taken back afterwards."""
    yield tmp_path
    dreamboot("patch", "revert", "--python", str(seed), "--home", str(tmp_path), "--yes")


def dreamboot(*words: str) -> Tuple[int, Any]:
    """Run the command with --json; (exit code, document)."""
    variables = {**os.environ, "PYTHONPATH": str(ROOT / "installer")}
    done = subprocess.run(
        [sys.executable, "-m", "dreamboot", *words, "--json"], env=variables,
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    return done.returncode, json.loads(done.stdout or "null")


def run(python: Path, code: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(python), "-c", code], capture_output=True, text=True, check=False,
        env={**os.environ, "OMP_NUM_THREADS": "1", **variables},
    )  # fmt: skip


def packages(python: Path) -> Path:
    return Path(run(python, "import sysconfig; print(sysconfig.get_path('purelib'))").stdout.strip())


def sources(python: Path) -> Any:
    """Every file but compiled ones, which Python makes as it likes."""
    found = {}
    for name in ("bitsandbytes", "diffusers"):
        for path, value in tree(packages(python) / name).items():
            if "__pycache__" not in path:
                found[name, path] = value
    return found


def test_a_toolkit_without_a_driver_no_longer_ends_the_import(seed: Path, home: Path) -> None:
    try:
        ctypes.CDLL("libcuda.so")
        pytest.skip("this machine has an NVIDIA driver")
    except OSError:
        pass
    toolkit = home / "cuda" / "lib64"
    toolkit.mkdir(parents=True)
    (toolkit / "libcudart.so").write_bytes(b"")
    before = run(seed, "import bitsandbytes", LD_LIBRARY_PATH=str(toolkit))
    assert before.returncode == 1
    assert "'NoneType' object has no attribute 'cuDeviceGetCount'" in before.stderr
    originals = sources(seed)
    common = ("--python", str(seed), "--home", str(home), "--yes")
    code, said = dreamboot("patch", "apply", "bitsandbytes/no-driver-0.34", *common)
    assert (code, said["applied"]) == (0, ["bitsandbytes/no-driver-0.34"])
    after = run(seed, "import bitsandbytes; print('IMPORTED')", LD_LIBRARY_PATH=str(toolkit))
    assert after.returncode == 0, after.stderr
    assert "no NVIDIA driver. Using the CPU library" in after.stdout
    assert "IMPORTED" in after.stdout
    assert dreamboot("patch", "verify", *common)[0] == 0
    assert dreamboot("patch", "revert", *common)[1]["reverted"] == ["bitsandbytes/no-driver-0.34"]
    assert sources(seed) == originals
    assert run(seed, "import bitsandbytes", LD_LIBRARY_PATH=str(toolkit)).returncode == 1


ATTEND = """
import resource, sys, torch
from diffusers.models.attention import CrossAttention
torch.manual_seed(0)
layer = CrossAttention(64, heads=2, dim_head=32)
states = torch.randn(1, int(sys.argv[1] if len(sys.argv) > 1 else TOKENS), 64, requires_grad=True)
context = torch.randn(1, 77, 64) if CROSS else None
start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
out = layer(states, context)
out.square().sum().backward()
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - start
print(repr([float(out.double().sum()), float(out.abs().max()), float(states.grad.double().abs().sum()), peak]))
"""


def attend(python: Path, tokens: int, cross: bool) -> Any:
    done = run(python, f"TOKENS, CROSS = {tokens}, {cross}\n{ATTEND}")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def test_attention_gives_the_same_with_a_fraction_of_the_memory(seed: Path, home: Path) -> None:
    plain = {cross: attend(seed, 4096, cross) for cross in (False, True)}
    common = ("--python", str(seed), "--home", str(home), "--yes")
    code, said = dreamboot("patch", "apply", "diffusers/memory-efficient-attention", *common)
    assert (code, said["applied"]) == (0, ["diffusers/memory-efficient-attention"])
    for cross, wanted in plain.items():
        found = attend(seed, 4096, cross)
        assert found[:3] == pytest.approx(wanted[:3], rel=2e-4, abs=2e-4)
    # KiB beyond what was held before: 2 heads x 4096 x 4096 float32 scores are 128 MiB each time they are stored.
    assert plain[False][3] > 2 * 128 * 1024
    assert attend(seed, 4096, False)[3] * 4 < plain[False][3]
