"""A home whose environment `default` is the interpreter that runs the tests: nothing is built, all else is real."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

from dreamboot.building.layout import Layout
from dreamboot.launching.accelerate import config_text
from dreamboot.model import Plan, SourceKind, TorchBuild
from dreamboot.values import to_json
from support.dreamboot import ROOT

SETTINGS = {"distributed_type": "NO", "num_machines": 1, "num_processes": 1, "use_cpu": True}


def write_home(home: Path) -> Path:
    """The home."""
    environment = Layout(home=home).environment("default")
    built = environment.generation(1)
    python = built.python("linux")
    python.parent.mkdir(parents=True)
    python.write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n', encoding="utf-8")
    python.chmod(0o755)
    torch = TorchBuild(version="2.13.0", tag="cpu", source=SourceKind.FIND_LINKS)
    plan = Plan(python="3.11", torch=torch, accelerate=SETTINGS)
    built.plan.write_text(json.dumps(to_json(plan)), encoding="utf-8")
    built.accelerate.write_text(config_text(SETTINGS), encoding="utf-8")
    environment.pointer.parent.mkdir(parents=True, exist_ok=True)
    environment.pointer.write_text("1", encoding="utf-8")
    return home


def train_command(home: Path, *arguments: str) -> list[str]:
    """`dreamboot train` in that home."""
    return [sys.executable, "-m", "dreamboot", "train", "--home", str(home), *arguments]


def variables(**more: str) -> dict[str, str]:
    """Of that command: the checkout's code."""
    code = os.pathsep.join(str(ROOT / part) for part in ("installer", "trainer"))
    return {**os.environ, "PYTHONPATH": code, "OMP_NUM_THREADS": "1", **more}
