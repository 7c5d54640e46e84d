"""How long `dreamboot detect` takes here: whole processes, and beside them the peers' one question about the GPU.

Usage: python3 benchmarks/detect.py [RUNS]. Goal: 300 ms for the whole command when the tools answer at once. The peer
is `uv pip compile --torch-backend=auto`, offline on an empty requirement: the other tool that detects before it
installs. It reads a driver version or an architecture; no memory, disks, Pythons, indexes or compute capability.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Dict, List

ROOT = Path(__file__).resolve().parents[1]


def milliseconds(command: List[str], environ: Dict[str, str]) -> float:
    """Wall time of one process."""
    begun = time.perf_counter()
    subprocess.run(command, env=environ, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
    return (time.perf_counter() - begun) * 1000


def uv_auto(folder: Path) -> List[str]:
    """uv's own detection, on a requirement that needs no index."""
    requirement = folder / "requirements.in"
    requirement.write_text("")
    auto = ["pip", "compile", "--quiet", "--offline", "--torch-backend", "auto", str(requirement)]
    return [sys.executable, "-m", "uv", *auto]


def main() -> None:
    """All commands in turn, so that a busy moment hits each alike; medians."""
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 15
    environ = {**os.environ, "PYTHONPATH": str(ROOT / "installer")}
    with tempfile.TemporaryDirectory() as home:
        ours = [sys.executable, "-m", "dreamboot", "detect", "--home", home]
        commands = {
            "python -c pass": [sys.executable, "-c", "pass"],
            "dreamboot detect --json": [*ours, "--json"],
            "dreamboot detect": ours,
            "uv --torch-backend=auto": uv_auto(Path(home)),
        }
        first = milliseconds(commands["dreamboot detect --json"], environ)
        print(f"first call (asks the indexes, nothing cached): {first:.0f} ms")
        taken: Dict[str, List[float]] = {name: [] for name in commands}
        for _ in range(runs):
            for name, command in commands.items():
                taken[name].append(milliseconds(command, environ))
    for name, figures in taken.items():
        middle, least, most = statistics.median(figures), min(figures), max(figures)
        print(f"{name:26} median {middle:5.0f} ms   min {least:5.0f}   max {most:5.0f}")


main()
