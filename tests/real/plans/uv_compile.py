"""Plans resolved by uv for another platform than this one."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Dict, Sequence

import uv

from dreamboot.catalog.refresh import configured_index
from dreamboot.model import Plan

PLATFORM = {
    "linux-x86_64": "x86_64-manylinux_2_28",
    "linux-aarch64": "aarch64-manylinux_2_28",
    "windows-x86_64": "x86_64-pc-windows-msvc",
    "macos-aarch64": "aarch64-apple-darwin",
}


def compile_plan(plan: Plan, lines: Sequence[str], folder: Path, macos: str = "") -> Dict[str, str]:
    """The versions that uv resolves the requirement `lines` to on the plan's platform and Python.

    `folder` holds uv's cache, empty at first: a page that was read for an earlier plan is not asked for again.
    Raises `AssertionError` with uv's words when there is no solution.
    """
    asked = folder / "requirements.in"
    asked.write_text("\n".join(lines) + "\n", encoding="utf-8")
    command = [
        uv.find_uv_bin(), "pip", "compile", str(asked), "--config-file", str(settings(folder)), "--quiet",
        "--no-header", "--no-annotate",
        # uv would fetch an interpreter of the wanted version, though it needs none to resolve for another platform.
        "--no-python-downloads", "--python", sys.executable,
        "--only-binary", ":all:", "--python-version", plan.python, "--python-platform", PLATFORM[plan.platform],
        "--cache-dir", str(folder / "cache"),
    ]  # fmt: skip
    kept = {name: text for name, text in os.environ.items() if not name.startswith(("UV_", "PIP_", "PYTHON"))}
    environment = {**kept, "MACOSX_DEPLOYMENT_TARGET": macos} if macos else kept
    done = subprocess.run(command, capture_output=True, text=True, timeout=150, env=environment, check=False)
    assert done.returncode == 0, f"{plan.platform} Python {plan.python}: {done.stderr[-1500:]}"
    return dict(re.findall(r"^([\w.-]+)==(\S+)", done.stdout, re.MULTILINE))


def settings(folder: Path) -> Path:
    """uv settings that keep the index's pages for an hour: a plan alone asks for more than a hundred."""
    path = folder / "uv.toml"
    if not path.exists():
        index = f'[[index]]\nurl = "{configured_index()}"\ndefault = true\n'
        path.write_text(index + 'cache-control = { api = "max-age=3600", files = "max-age=3600" }\n', encoding="utf-8")
    return path
