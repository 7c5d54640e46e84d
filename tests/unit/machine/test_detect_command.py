"""`dreamboot detect`: what people read and what programs read."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, Dict

import pytest

from dreamboot.machine.saved import saved_output
from dreamboot.machine.stated import state_machine
from dreamboot.model import Fault, Gpu, GpuProcess, Machine, ProbeRun, Report, Vendor
from dreamboot.terminal.commands.detect import gib, render, sections
from dreamboot.values import from_json, to_json

ROOT = Path(__file__).resolve().parents[3]
CAPTURES = ROOT / "tests" / "captures"


def call(*arguments: str, home: Path) -> subprocess.CompletedProcess[str]:
    """The whole command, in a process of its own."""
    environ = {**os.environ, "PYTHONPATH": str(ROOT / "installer"), "PYTHONIOENCODING": "utf-8"}
    command = [sys.executable, "-m", "dreamboot", "detect", "--home", str(home), "--offline", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, env=environ, check=False)


def shown(machine: Machine) -> str:
    """What a person reads, 100 letters wide."""
    from rich.console import Console

    console = Console(file=io.StringIO(), width=100)
    console.print(render(Report(command="detect", data=to_json(machine))))
    return console.file.getvalue()  # type: ignore[attr-defined]


def test_json_is_the_machine_and_can_be_assumed_again(tmp_path: Path) -> None:
    first = call("--json", home=tmp_path)
    assert first.returncode == 0, first.stderr
    machine = from_json(Machine, json.loads(first.stdout))
    assert machine.pythons
    file = tmp_path / "machine.json"
    file.write_text(first.stdout, encoding="utf-8")
    assert call("--json", "--assume", str(file), home=tmp_path).stdout == first.stdout


def test_people_read_a_table(tmp_path: Path) -> None:
    done = call(home=tmp_path)
    assert done.returncode == 0, done.stderr
    for title in ("System", "Processor", "Memory", "GPU", "Python", "Disk", "Packages"):
        assert f"{title} " in done.stdout
    assert "Traceback" not in done.stdout + done.stderr


def test_a_bad_stated_machine_is_a_problem_on_both_faces(tmp_path: Path) -> None:
    file = tmp_path / "machine.toml"
    file.write_text('drvier = "580.65"')
    done = call("--assume", str(file), home=tmp_path)
    assert done.returncode == 1
    assert "'driver'" in done.stderr
    told = json.loads(call("--assume", str(file), "--json", home=tmp_path).stdout)
    assert told["problem"]["id"] == "stated-machine-key"


def test_a_workstation_in_words() -> None:
    stated = {
        "os": "win11",
        "gpus": [{"name": "RTX 4090", "vram": "24 GB", "driver_model": "WDDM"}, "Intel UHD Graphics 770"],
    }
    text = shown(
        state_machine(
            {
                **stated,
                "driver": "572.16",
                "cuda": "12.8",
                "python": ["3.11", "3.9-32"],
                "long_paths": False,
                "disk": "3 GB",
            }
        )
    )
    assert "Windows 11, 10.0.22631, x86_64, long paths not allowed" in text
    assert "0: RTX 4090, 24.0 GiB, WDDM" in text
    assert "Intel UHD Graphics 770, integrated, shows pictures only" in text
    assert "nvidia 572.16, runs CUDA up to 12.8 natively" in text
    assert "32-bit" in text
    assert "3.0 GiB free" in text


def test_programs_that_hold_video_memory_are_named_the_largest_first() -> None:
    processes = tuple(GpuProcess(pid=n, name=f"program{n}", vram_mib=n * 600) for n in range(1, 8))
    text = shown(Machine(os="linux", gpus=(Gpu(vendor=Vendor.NVIDIA, name="A", processes=processes),)))
    assert "held by program7 (process 7), 4.1 GiB" in text
    assert "and 2 more programs" in text
    assert "program1 " not in text


def test_trouble_is_said() -> None:
    fault = Fault(id="nvidia-driver-hangs", cause="the driver does not answer", evidence="no answer")
    text = shown(
        Machine(
            os="linux", faults=(fault,), probes=(ProbeRun(probe="amd", failed="KeyError: 'x'"), ProbeRun(probe="cpu"))
        )
    )
    assert "nvidia-driver-hangs: the driver does not answer" in text
    assert "amd: KeyError: 'x'" in text
    assert "cpu:" not in text


def test_empty_sections_are_left_out() -> None:
    titles = [title for title, _ in sections(to_json(Machine(os="linux")))]
    assert titles == ["System", "Processor", "GPU"]
    assert "none that PyTorch computes on" in shown(Machine(os="linux"))


@pytest.mark.parametrize("path", sorted(CAPTURES.glob("*.txt")), ids=lambda path: path.name)
def test_every_saved_output_can_be_shown(path: Path) -> None:
    told: Any = saved_output(path.read_text(encoding="utf-8"))
    if told is not None:
        data: Dict[str, Any] = to_json(told)
        assert "System" in shown(state_machine(data))


def test_sizes_in_words() -> None:
    assert [gib(size) for size in (None, 0, 1023, 1024, 24564)] == [
        "unknown",
        "0 MiB",
        "1023 MiB",
        "1.0 GiB",
        "24.0 GiB",
    ]
