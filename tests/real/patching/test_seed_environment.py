"""The environment of 2022 for real, by the command: Python 3.8, torch 1.12.1, diffusers 0.7.2, bitsandbytes 0.34.

Set DREAMBOOT_SEED_HOME to a home in which it is built already; without it about 900 MB are downloaded.
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
VERSIONS = {
    "torch": "1.12.1", "torchvision": "0.13.1", "diffusers": "0.7.2", "transformers": "4.24.0", "accelerate": "0.14.0",
    "bitsandbytes": "0.34.0", "huggingface-hub": "0.11.1",
}  # fmt: skip
PATCHES = ["bitsandbytes/no-driver-0.34", "diffusers/memory-efficient-attention"]


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The home with the environment `seed`."""
    given = os.environ.get("DREAMBOOT_SEED_HOME")
    home = Path(given) if given else tmp_path_factory.mktemp("seed") / "home"
    code, said = dreamboot("build", "--profile", "seed-2022", "--env", "seed", "--yes", "--home", str(home))
    if code == 3:
        pytest.skip(f"the stack of 2022 can't be built here: {said['refused']['cause']}")
    if code and said["problem"]["id"] == "venv-failed":
        pytest.skip(f"there is no Python 3.8, and none can be downloaded: {said['problem']['cause']}")
    assert code == 0, said
    return home


@pytest.fixture(scope="module")
def seed(built: Path) -> Iterator[Path]:
    """Its interpreter, with all patches taken back; afterwards they are there again."""
    python = Path(dreamboot("env", "show", "seed", "--home", str(built))[1]["environment"]["python"])
    assert dreamboot("patch", "revert", "--env", "seed", "--home", str(built), "--yes")[1]["reverted"] == PATCHES[::-1]
    yield python
    assert dreamboot("patch", "apply", "--env", "seed", "--home", str(built), "--yes")[1]["applied"] == PATCHES


@pytest.fixture
def home(tmp_path: Path, seed: Path) -> Iterator[Path]:
    """A home folder; whatever was applied is taken back afterwards."""
    yield tmp_path
    dreamboot("patch", "revert", "--python", str(seed), "--home", str(tmp_path), "--yes")


def dreamboot(*words: str) -> Tuple[int, Any]:
    """Run the command with --json; (exit code, document)."""
    variables = {**os.environ, "PYTHONPATH": os.pathsep.join((str(ROOT / "installer"), str(ROOT / "trainer")))}
    done = subprocess.run(
        [sys.executable, "-m", "dreamboot", *words, "--json"], env=variables,
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    return done.returncode, json.loads(done.stdout or "null")


def test_it_is_what_the_recipe_says(built: Path) -> None:
    """Versions, patches with their checks, accelerate's file as accelerate 0.14 reads it, a step of the demo model."""
    shown = dreamboot("env", "show", "seed", "--home", str(built))[1]
    assert {name: version.partition("+")[0] for name, version in shown["packages"].items()}.items() >= VERSIONS.items()
    assert (shown["plan"]["python"], shown["plan"]["profile"]) == ("3.8", "seed-2022")
    assert shown["plan"]["patches"] == PATCHES
    verified = json.loads((Path(shown["path"]) / "verified.json").read_text())
    assert set(verified["imports"]) == {"torch", "transformers", "diffusers", "accelerate", "bitsandbytes"}
    assert verified["accelerate"] == ""
    assert verified["training_step_seconds"] > 0
    code, said = dreamboot("patch", "verify", "--env", "seed", "--home", str(built))
    assert (code, [row["name"] for row in said["verified"]]) == (0, PATCHES)
    assert all(row == {"name": row["name"], "state": "applied", "fails": ""} for row in said["verified"])
    read = (
        "import sys; from accelerate.commands.config.config_args import load_config_from_file as load\n"
        "c = load(sys.argv[1]); print(c.compute_environment.value, c.distributed_type.value, c.num_processes)"
    )
    python = shown["environment"]["python"]
    done = subprocess.run(
        [python, "-c", read, str(Path(shown["path"]) / "accelerate.yaml")], capture_output=True, text=True, check=False
    )
    assert done.stdout.split() == ["LOCAL_MACHINE", "NO", "1"], done.stderr


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
import sys, torch
from diffusers.models.attention import CrossAttention
torch.manual_seed(0)
layer = CrossAttention(64, heads=2, dim_head=32)
states = torch.randn(1, int(sys.argv[1] if len(sys.argv) > 1 else TOKENS), 64, requires_grad=True)
context = torch.randn(1, 77, 64) if CROSS else None
# getrusage's maximum begins with that of the process that started us.
highest = lambda: next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmHWM"))
start = highest()
out = layer(states, context)
out.square().sum().backward()
peak = highest() - start
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
