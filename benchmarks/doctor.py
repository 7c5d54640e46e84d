"""The doctor against today's tools, in one run: seconds, and how many of the same broken environments each recognises.

    python benchmarks/doctor.py [--faults N] [--write docs/explanation/doctor-benchmark.md]

"named": the tool says what is wrong (the broken package on a line with a word such as missing or incompatible), or ends
with an exit code that means so. "died": it ended in a traceback of its own. "silent": it reported as if all were well.
"""

# ruff: noqa: E402, E501, ANN

from __future__ import annotations

import argparse
import os
import re
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
# Most different ones first: --faults takes the beginning.
CHOSEN = (0, 5, 18, 23, 11, 16, 22, 25, 6, 9, 13, 17, 27, 29, 2)


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


def ask(env: Env, command: Optional[list], culprit: str) -> tuple:
    """(seconds, named | died | silent)."""
    begun = time.monotonic()
    if command is None:
        told = env.doctor()
        return time.monotonic() - begun, "named" if bad(told) else "silent"
    variables = {**os.environ, "HOME": str(env.home), "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
    done = subprocess.run(command, env=variables, capture_output=True, text=True, check=False, timeout=300)
    seconds = time.monotonic() - begun
    output = done.stdout + done.stderr
    if "Traceback (most recent call last)" in output and done.returncode:
        return seconds, "died"
    named = any(culprit in line.lower() and TROUBLE.search(line) for line in output.splitlines())
    return seconds, "named" if named else "silent"


def culprit_of(fault: Callable) -> str:
    """The package that the fault is in, from its name."""
    return next((one for one in CULPRITS if one in fault.__name__.replace("hub", "huggingface")), "torch")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--faults", type=int, default=len(CHOSEN))
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
            for _ in range(2):
                took, outcome = ask(healthy, command, "torch")
                seconds[tool].append(took)
            false_alarms[tool] = int(outcome != "silent")
        outcomes = {tool: {"named": 0, "died": 0, "silent": 0} for tool in seconds}
        for number, (fault, *_rest) in enumerate(chosen):
            (base / f"broken-{number}").mkdir()
            env = Env(base / f"broken-{number}", clone(base / "venv", base / f"broken-{number}/venv"))
            fault(env)
            for tool, command in tools(env).items():
                _, outcome = ask(env, command, culprit_of(fault))
                outcomes[tool][outcome] += 1
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
        f"Made by `python benchmarks/doctor.py`: the CPU training stack (torch 2.13), two runs when healthy, then {count} real faults,",
        "every tool in the same broken environment. Two cores, shared with other work (load 6 to 12): compare columns, not absolute times.",
        "",
        "| tool | seconds, cold | seconds, warm | named the fault | died of it | said nothing | alarm on the healthy one |",
        "|---|---|---|---|---|---|---|",
    ]
    for tool, told in outcomes.items():
        first, warm = seconds[tool][0], min(seconds[tool][1:])
        alarm = "yes" if false_alarms[tool] else "no"
        lines.append(
            f"| {tool} | {first:.2f} | {warm:.2f} | {told['named']} of {count} | {told['died']} | {told['silent']} | {alarm} |"
        )
    lines += ["", "To die of a fault shows that something is wrong, but neither what nor what to do."]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
