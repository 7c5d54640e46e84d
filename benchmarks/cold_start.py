"""How long until dreamboot answers: medians of whole processes.

Usage: python3 benchmarks/cold_start.py [RUNS]. Beside them `python -c pass` of the same interpreter: the least
that a Python program takes. Goals on the build machine: --help 120 ms, detect 300 ms, second bootstrap 400 ms.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
BOOTSTRAP = str(ROOT / "installer" / "bootstrap.py")


def milliseconds(command: list[str]) -> float:
    """Wall time of one process."""
    begun = time.perf_counter()
    subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
    return (time.perf_counter() - begun) * 1000


def main() -> None:
    """Measure all commands interleaved, so that a busy moment hits each alike."""
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 15
    with tempfile.TemporaryDirectory() as home:
        ours = [sys.executable, BOOTSTRAP, "--home", home]
        commands = {
            "python -c pass": [sys.executable, "-c", "pass"],
            "bootstrap.py --version": [*ours, "--version"],
            "bootstrap.py --help": [*ours, "--help"],
            "bootstrap.py detect": [*ours, "detect", "--json"],
            "bootstrap.py plan": [*ours, "plan", "--json"],
        }
        first = milliseconds(commands["bootstrap.py --version"])
        print(f"first call (makes the tool's environment): {first:.0f} ms")
        for command in commands.values():
            milliseconds(command)
        taken: dict[str, list[float]] = {name: [] for name in commands}
        for _ in range(runs):
            for name, command in commands.items():
                taken[name].append(milliseconds(command))
        for name, figures in taken.items():
            middle = statistics.median(figures)
            print(f"{name:26} median {middle:6.0f} ms   min {min(figures):6.0f}   max {max(figures):6.0f}")


main()
