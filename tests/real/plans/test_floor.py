"""The trainer's floor is where the catalog says: today's packages train on it, and do not import below it."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest
import uv

from dreamboot import catalog

pytestmark = pytest.mark.real
CHILD = Path(__file__).with_name("floor_child.py")
BELOW = "2.5.1"
NEEDED_GIB = 16


def environment_with(torch: str, folder: Path) -> Path:
    """An environment of today's packages beside an old torch from the default index (about 2.5 GB)."""
    stack = catalog.load().stacks[0].packages
    packages = [f"{name}{wanted}" for name, wanted in stack.items() if name != "numpy"]
    newest = max(catalog.load().table("bitsandbytes"), key=lambda row: tuple(map(int, row.version.split("."))))
    python = folder / "bin" / "python"
    subprocess.run([uv.find_uv_bin(), "venv", "--quiet", "--python", "3.11", str(folder)], check=True, timeout=60)
    subprocess.run(
        [uv.find_uv_bin(), "pip", "install", "--quiet", "--no-config", "--python", str(python),
         "--only-binary", ":all:", f"torch=={torch}", f"bitsandbytes=={newest.version}", *packages],
        check=True, timeout=900,
    )  # fmt: skip
    return python


def run(python: Path) -> subprocess.CompletedProcess[str]:
    clean = {name: text for name, text in os.environ.items() if not name.startswith("PYTHON")}
    return subprocess.run(
        [str(python), str(CHILD)], capture_output=True, text=True, timeout=300, check=False,
        env={**clean, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip


@pytest.mark.skipif(os.name == "nt", reason="the default index has CPU builds of torch for Windows: another test")
def test_todays_packages_train_on_the_floor_and_fail_below_it(tmp_path: Path) -> None:
    if shutil.disk_usage(tmp_path).free < NEEDED_GIB * 2**30:
        pytest.skip(f"{NEEDED_GIB} GiB of disk are needed")
    floor = catalog.load().floor("torch").oldest
    on_it = run(environment_with(floor, tmp_path / "floor"))
    assert f"trained {floor}" in on_it.stdout, on_it.stderr[-800:]
    below = run(environment_with(BELOW, tmp_path / "below"))
    assert "trained" not in below.stdout
    assert "accelerator" in below.stderr
