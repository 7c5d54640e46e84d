"""The doctor against today's tools, in one run: seconds, and how many of the same broken environments each recognises.

    python benchmarks/doctor.py [--faults N] [--runs N] [--write docs/explanation/doctor-benchmark.md]

For the doctor "named" is the fault's own id and status, and no other red line. For the others it is less: the broken
package on a line with a word such as missing or incompatible. "died": it ended in a traceback of its own. "alarmed": it
ended with an exit code other than 0 without naming it. "silent": it reported as if all were well.
"""

# ruff: noqa: E402, E501, ANN

from __future__ import annotations

import argparse
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Callable, Optional

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "installer"), str(ROOT / "tests/real/doctor")]

from test_full_faults import FAULTS
from world import PYTHON, STACK, Env, bad, clone, run, uv

TROUBLE = re.compile(
    r"missing|incompatib|not installed|requires|conflict|invalid|corrupt|no module|broken|overwritten|incomplete", re.I
)
# What a person would look for in the output.
CULPRITS = ("torch", "bitsandbytes", "diffusers", "accelerate", "transformers", "safetensors", "tokenizers", "huggingface", "numpy", "regex", "tensorboard", "protobuf", "setuptools")  # fmt: skip
# Most different ones first, then the rest: --faults takes the beginning.
FIRST = (0, 5, 18, 23, 11, 16, 22, 25, 6, 9, 13, 17, 27, 29, 2)
CHOSEN = (*FIRST, *(number for number in range(len(FAULTS)) if number not in FIRST))
OUTCOMES = ("named", "died", "alarmed", "silent")


def tools(env: Env) -> dict:
    """Name → command line. All but the doctor and uv run inside the environment."""
    python = str(env.python)
    return {
        "dreamboot doctor": None,
        "torch collect_env": [python, "-m", "torch.utils.collect_env"],
        "accelerate env": [python, "-m", "accelerate.commands.accelerate_cli", "env"],
        "diffusers-cli env": [python, "-m", "diffusers.commands.diffusers_cli", "env"],
        "python -m bitsandbytes": [python, "-m", "bitsandbytes"],
        "pip check": [python, "-m", "pip", "check"],
        "uv pip check": [uv(), "pip", "check", "--python", python],
    }


def ask(env: Env, command: Optional[list], culprit: str, expected: Optional[dict] = None) -> tuple:
    """(seconds, one of OUTCOMES). `expected`: what the doctor has to find, id to status."""
    begun = time.monotonic()
    if command is None:
        red = bad(env.doctor())
        seconds = time.monotonic() - begun
        if not red:
            return seconds, "silent"
        return seconds, "named" if red == expected else "alarmed"
    variables = {**os.environ, "HOME": str(env.home), "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
    done = subprocess.run(command, env=variables, capture_output=True, text=True, check=False, timeout=300)
    seconds = time.monotonic() - begun
    output = done.stdout + done.stderr
    if "Traceback (most recent call last)" in output and done.returncode:
        return seconds, "died"
    named = any(culprit in line.lower() and TROUBLE.search(line) for line in output.splitlines())
    if named:
        return seconds, "named"
    return seconds, "alarmed" if done.returncode else "silent"


def culprit_of(fault: Callable) -> str:
    """The package that the fault is in, from its name."""
    return next((one for one in CULPRITS if one in fault.__name__.replace("hub", "huggingface")), "torch")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--faults", type=int, default=len(CHOSEN))
    parser.add_argument("--runs", type=int, default=3, help="timed runs of each tool in the healthy environment")
    parser.add_argument("--write", type=Path)
    asked = parser.parse_args()
    chosen = [FAULTS[index] for index in CHOSEN[: asked.faults]]
    with tempfile.TemporaryDirectory(prefix="doctor-benchmark-") as name:
        base = Path(name)
        run(uv(), "venv", "-q", "--seed", "--python", PYTHON, str(base / "venv"))
        run(uv(), "pip", "install", "-q", "--python", str(base / "venv/bin/python"), *STACK, "torch==2.13.0+cpu")
        (base / "healthy").mkdir()
        healthy = Env(base / "healthy", clone(base / "venv", base / "healthy/venv"))
        seconds = {tool: [] for tool in tools(healthy)}
        false_alarms = dict.fromkeys(seconds, 0)
        for tool, command in tools(healthy).items():
            for _ in range(max(2, asked.runs)):
                took, outcome = ask(healthy, command, "torch")
                seconds[tool].append(took)
            false_alarms[tool] = int(outcome != "silent")
        outcomes = {tool: dict.fromkeys(OUTCOMES, 0) for tool in seconds}
        for number, (fault, name, status, _mended) in enumerate(chosen):
            folder = base / f"broken-{number}"
            folder.mkdir()
            env = Env(folder, clone(base / "venv", folder / "venv"))
            fault(env)
            for tool, command in tools(env).items():
                _, outcome = ask(env, command, culprit_of(fault), {name: status})
                outcomes[tool][outcome] += 1
            shutil.rmtree(folder)
            print(fault.__name__, {tool: dict(told) for tool, told in outcomes.items()}, file=sys.stderr, flush=True)
        table = render(seconds, outcomes, false_alarms, len(chosen))
    print(table)
    if asked.write:
        asked.write.parent.mkdir(parents=True, exist_ok=True)
        asked.write.write_text(table, encoding="utf-8")


def render(seconds: dict, outcomes: dict, false_alarms: dict, count: int) -> str:
    lines = [
        "# The doctor against today's tools",
        "",
        f"Made by `python benchmarks/doctor.py`: the CPU training stack (torch 2.13), {len(seconds['pip check'])} runs when healthy, then {count} real faults,",
        f"every tool in the same broken environment. Load of the machine's {os.cpu_count()} cores at the end: {os.getloadavg()[1]:.1f}.",
        "",
        "| tool | seconds, first run | median of the next | named the fault | died of it | alarm without a name | said nothing | alarm on the healthy one |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for tool, told in outcomes.items():
        first, warm = seconds[tool][0], statistics.median(seconds[tool][1:])
        alarm = "yes" if false_alarms[tool] else "no"
        lines.append(
            f"| {tool} | {first:.2f} | {warm:.2f} | {told['named']} of {count} | {told['died']} | {told['alarmed']} | {told['silent']} | {alarm} |"
        )
    lines += [
        "",
        "The doctor named a fault when it gave the fault's own id and status and no other red line. Another tool named it when the broken",
        "package stands on a line with a word of trouble (missing, incompatible, conflict ...). To die of a fault shows that something is",
        "wrong, but neither what nor what to do.",
    ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
