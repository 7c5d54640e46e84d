"""An index that is planned and does not answer: the lock is made from the next source, and that is said."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, Dict

import pytest

from dreamboot import catalog, planning
from dreamboot.machine.stated import state_machine
from dreamboot.model import Plan, Wish

from .local_index import serve, simple_packages, wheel_name, write_listing, write_wheel

pytestmark = pytest.mark.real
ROOT = Path(__file__).resolve().parents[3]
# Nothing listens there: a connection is refused at once.
DEAD = "http://127.0.0.1:9/simple"


def stated(folder: Path) -> Path:
    """A Linux machine whose configured index is said to answer, and does not."""
    wheel = wheel_name("torch", "2.14.1", "3.12", "linux-x86_64")
    facts: Dict[str, Any] = {
        "os": "linux", "libc": "glibc 2.36", "python": ["3.12.4"],
        "sources": [
            {"kind": "pytorch-index", "reachable": False},
            {"kind": "configured-index", "url": DEAD, "reachable": True, "torch_wheels": [wheel]},
            {"kind": "default-index", "reachable": True},
        ],
    }  # fmt: skip
    path = folder / "machine.json"
    path.write_text(json.dumps(facts), encoding="utf-8")
    return path


def index(root: Path, machine: Path) -> None:
    """A default index with stand-ins for everything that a plan without the dead index names."""
    sources = [{"kind": "pytorch-index", "reachable": False}, {"kind": "default-index", "reachable": True}]
    facts = {**json.loads(machine.read_text(encoding="utf-8")), "sources": sources}
    plan = planning.plan(state_machine(facts), Wish(), catalog.load())
    assert isinstance(plan, Plan)
    write_wheel(root / "simple" / "torch", wheel_name("torch", plan.torch.version, "3.12", "linux-x86_64"))
    for name, version in simple_packages(dict(plan.packages)):
        write_wheel(root / "simple" / name.replace("_", "-"), f"{name}-{version}-py3-none-any.whl")
    write_listing(root / "simple")


def test_the_lock_comes_from_the_next_source(tmp_path: Path) -> None:
    machine = stated(tmp_path)
    index(tmp_path, machine)
    kept = {name: text for name, text in os.environ.items() if not name.startswith(("UV_", "PIP_", "PYTHON"))}
    with serve(tmp_path) as (base, asked):
        done = subprocess.run(
            [sys.executable, "-m", "dreamboot", "build", "--lock-only", "--assume", str(machine), "--home",
             str(tmp_path / "home"), "--index", f"{base}/simple", "--yes", "--output", str(tmp_path / "pylock.a.toml")],
            capture_output=True, text=True, timeout=300, check=False, cwd=ROOT / "installer",
            env={**kept, "UV_HTTP_RETRIES": "0", "PIP_CONFIG_FILE": os.devnull, "NO_PROXY": "127.0.0.1"},
        )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{DEAD} could not be reached" in done.stdout + done.stderr
    lock = (tmp_path / "pylock.a.toml").read_text(encoding="utf-8")
    assert f"{base}/simple/torch/torch-2.15.0" in lock
    assert "/simple/torch/" in asked
