"""The doctor against today's tools, in one run: seconds, and how many of the same broken environments each recognises.

    python benchmarks/doctor.py [--faults N] [--runs N] [--write docs/explanation/doctor-benchmark.md]

One fault at a time in a copy of the genuine CPU training stack, and every tool asked about that copy.

A tool other than the doctor has "named" a fault when one line of its output holds both the culprit (any package, file or
setting that the fault is in) and a word of trouble (missing, requires, conflict, no module ...), and that line is not in its
output for the healthy environment. It need not say what to do. "died, naming it": it ended in a traceback of its own whose
message (all lines after the last frame) holds the culprit. "died": in any other traceback, or without an answer in five minutes. "alarmed": it ended with an exit
code other than 0 without naming the culprit. "silent": it reported as if all were well.

The doctor is held to more: "named" only when the check that the fault's test expects says so, with that status, and no other
is red or yellow; "alarmed" when others are. The faults are those of the doctor's own tests, so that it names them is no surprise: read the other rows.
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
from typing import Callable, Optional, Tuple

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "installer"), str(ROOT / "tests/real/doctor")]

import faults_settings
import faults_small
from test_full_faults import FAULTS
from world import PYTHON, STACK, Env, bad, clone, run, uv

SECONDS = 300
DOCTOR = "dreamboot doctor"
OUTCOMES = ("named", "died, naming it", "died", "alarmed", "silent")
TROUBLE = re.compile(
    r"missing|incompatib|not installed|not found|requires|requirement|conflict|invalid|corrupt|no module|cannot import|error|broken|overwritten|incomplete|does not exist",
    re.I,
)
RAISED = re.compile(r"(?:[A-Za-z_]\w*\.)*[A-Z]\w*(?:Error|Exception|Failure|NotFound)\b")
PACKAGES = ("torch", "bitsandbytes", "diffusers", "accelerate", "transformers", "safetensors", "tokenizers", "huggingface", "numpy", "regex", "tensorboard", "protobuf", "setuptools")  # fmt: skip
# Settings that need no stated GPU and no stub of torch: another tool can see them as well as the doctor can.
SETTINGS = {
    faults_settings.accelerate_broken_yaml: ("yaml", "default_config"),
    faults_settings.certificate_gone: ("company.pem",),
    faults_settings.pip_target_by_variable: ("pip_target", "target"),
    faults_settings.path_file_to_conda: ("conda",),
    faults_settings.system_site: ("system-site", "system site"),
}
# Most different ones first: --faults takes the beginning.
FIRST = (0, 22, 18, 5, 11, 16, 27, 25, 6, 9)


def faults() -> list:
    """(fault, what the doctor must say as id to status, words that name the culprit); different kinds first."""
    order = [*FIRST, *(index for index in range(len(FAULTS)) if index not in FIRST)]
    rows = (FAULTS[index] for index in order)
    stack = [(fault, {name: status}, culprits(fault.__name__)) for fault, name, status, _mended in rows]
    return stack + [(fault, dict([faults_small.FAULTS[fault]]), words) for fault, words in SETTINGS.items()]


def culprits(name: str) -> Tuple[str, ...]:
    """The packages and the file that a fault is in, from its name: "without safetensors/torch.py" is in safetensors alone."""
    shown = name.replace("hub_recorded", "huggingface_recorded")
    found = tuple(one for one in PACKAGES if re.search(rf"(?<![/\w]){one}", shown))
    assert found, name
    file = re.search(r"/([\w.]+\.(?:py|so))$", shown)
    # A file of a name that every package has tells nothing.
    return (*found, file.group(1)) if file and file.group(1) not in ("__init__.py", "torch.py") else found


def tools(env: Env) -> dict:
    """Name → command line. All but the doctor and uv run inside the environment."""
    python = str(env.python)
    return {
        DOCTOR: None,
        "torch collect_env": [python, "-m", "torch.utils.collect_env"],
        "accelerate env": [python, "-m", "accelerate.commands.accelerate_cli", "env"],
        "diffusers-cli env": [python, "-m", "diffusers.commands.diffusers_cli", "env"],
        "python -m bitsandbytes": [python, "-m", "bitsandbytes"],
        "pip check": [python, "-m", "pip", "check"],
        "uv pip check": [uv(), "pip", "check", "--python", python],
    }


def ask(env: Env, command: list) -> Optional[subprocess.CompletedProcess]:
    """What another tool says, in the variables of the broken environment; None when it takes too long."""
    variables = {**os.environ, "HOME": str(env.home), "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1", **env.environ}
    try:
        return subprocess.run(command, env=variables, capture_output=True, text=True, check=False, timeout=SECONDS)
    except subprocess.TimeoutExpired:
        return None


def lines_of(done: subprocess.CompletedProcess, env: Env) -> list:
    """Without the environment's own folder, so that two environments' lines compare."""
    return [line.replace(str(env.root), "").strip() for line in (done.stdout + "\n" + done.stderr).splitlines()]


def message(lines: list) -> list:
    """What the last traceback says: its exception's lines, of which the last one may be mere advice."""
    frame = max(number for number, line in enumerate(lines) if line.startswith(("Traceback (", 'File "')))
    begin = next((number for number in range(frame + 1, len(lines)) if RAISED.match(lines[number])), len(lines) - 1)
    return lines[begin:] if begin > frame + 1 or RAISED.match(lines[begin]) else lines[-1:]


def judge(lines: list, returncode: int, words: Tuple[str, ...], healthy: set) -> str:
    """One of `OUTCOMES`, by the rule above."""

    def names(line: str) -> bool:
        return any(word in line.lower() for word in words)

    if returncode and any("Traceback (most recent call last)" in line for line in lines):
        return "died, naming it" if any(names(line) for line in message(lines)) else "died"
    if any(names(line) and TROUBLE.search(line) for line in lines if line not in healthy):
        return "named"
    return "alarmed" if returncode else "silent"


def judge_doctor(env: Env, expected: dict) -> str:
    """The right check with its status, and nothing besides."""
    told = bad(env.doctor())
    return "named" if told == expected else "alarmed" if told else "silent"


def healthy_run(env: Env, runs: int) -> Tuple[dict, dict, dict]:
    """tool → its seconds per run, its lines, and whether it sounds an alarm."""
    seconds, said, alarms = {}, {}, {}
    for tool, command in tools(env).items():
        seconds[tool], said[tool], alarms[tool] = [], set(), False
        for _ in range(runs):
            begun = time.monotonic()
            if command is None:
                alarms[tool] |= bool(bad(env.doctor()))
            else:
                done = ask(env, command)
                assert done is not None, f"{tool} does not answer in the healthy environment"
                said[tool].update(lines_of(done, env))
                alarms[tool] |= done.returncode != 0
            seconds[tool].append(time.monotonic() - begun)
    return seconds, said, alarms


def broken_run(env: Env, fault: Callable, expected: dict, words: Tuple[str, ...], said: dict) -> dict:
    """tool → outcome for one fault."""
    fault(env)
    found = {}
    for tool, command in tools(env).items():
        if command is None:
            found[tool] = judge_doctor(env, expected)
            continue
        done = ask(env, command)
        found[tool] = "died" if done is None else judge(lines_of(done, env), done.returncode, words, said[tool])
    return found


def copy_of(base: Path, name: str) -> Env:
    (base / name).mkdir()
    return Env(base / name, clone(base / "venv", base / name / "venv"))


def main() -> None:
    chosen = faults()
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--faults", type=int, default=len(chosen))
    parser.add_argument("--runs", type=int, default=3, help="timed runs of each tool in the healthy environment")
    parser.add_argument("--write", type=Path)
    asked = parser.parse_args()
    chosen = chosen[: asked.faults]
    with tempfile.TemporaryDirectory(prefix="doctor-benchmark-") as folder:
        base = Path(folder)
        run(uv(), "venv", "-q", "--seed", "--python", PYTHON, str(base / "venv"))
        run(uv(), "pip", "install", "-q", "--python", str(base / "venv/bin/python"), *STACK, "torch==2.13.0+cpu")
        seconds, said, alarms = healthy_run(copy_of(base, "healthy"), max(2, asked.runs))
        load = os.getloadavg()[0]
        outcomes = {}
        for number, (fault, expected, words) in enumerate(chosen):
            env = copy_of(base, f"broken-{number}")
            outcomes[fault.__name__] = broken_run(env, fault, expected, words, said)
            print(fault.__name__, outcomes[fault.__name__], file=sys.stderr, flush=True)
            shutil.rmtree(env.root)
        table = render(seconds, outcomes, alarms, load)
    print(table)
    if asked.write:
        asked.write.parent.mkdir(parents=True, exist_ok=True)
        asked.write.write_text(table, encoding="utf-8")


def render(seconds: dict, outcomes: dict, alarms: dict, load: float) -> str:
    """The page; `load`: the machine's when the timed runs had ended."""
    count = len(outcomes)
    settings = sum(fault.__name__ in outcomes for fault in SETTINGS)
    lines = [
        "# The doctor against today's tools",
        "",
        f"Made by `python benchmarks/doctor.py` on {time.strftime('%Y-%m-%d')}: the CPU training stack (torch 2.13), {len(seconds[DOCTOR])} timed runs of each tool",
        f"when healthy, then {count} real faults, every tool in the same broken environment. Load of the machine's {os.cpu_count()} cores",
        f"when the timed runs had ended: {load:.1f} (1.0 is the benchmark alone). No page cache was dropped: the first run is no cold one.",
        "",
        "Another tool has *named* a fault when a line that it does not print for the healthy environment holds the culprit (a package,",
        "file or setting that the fault is in) and a word of trouble; it need not say what to do. *Died, naming it*: the message of",
        "its own traceback holds the culprit. *Alarmed*: an exit code other than 0, without the culprit. The doctor has named a fault",
        "only when it gives the expected id and status and nothing else red or yellow. The faults are those of the",
        "doctor's own tests, so its row is no surprise; the others are the news.",
        "",
        "What the numbers leave out: the doctor is given the machine (`--assume`), so its seconds hold no look for GPUs and no",
        f"start by `bootstrap.py`. {settings} of the {count} faults lie in settings, which most of the others were not made to look at; both",
        "checks of pip read declared requirements only, and do that well. All run offline, so nobody misses a certificate.",
        "",
        "| tool | seconds, first run | median of the next | " + " | ".join(OUTCOMES) + " | alarm on the healthy one |",
        "|---|---|---|" + "---|" * len(OUTCOMES) + "---|",
    ]
    for tool, took in seconds.items():
        told = [row[tool] for row in outcomes.values()]
        counted = " | ".join(f"{told.count(one)} of {count}" for one in OUTCOMES)
        first, next_ones = took[0], statistics.median(took[1:])
        lines.append(f"| {tool} | {first:.2f} | {next_ones:.2f} | {counted} | {'yes' if alarms[tool] else 'no'} |")
    lines += ["", "Each fault:", "", "| fault | " + " | ".join(seconds) + " |", "|---|" + "---|" * len(seconds)]
    lines += [f"| {name} | " + " | ".join(row[tool] for tool in seconds) + " |" for name, row in outcomes.items()]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
