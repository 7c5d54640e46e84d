"""Build time against plain `uv pip install` and plain `pip install` of the same set, interleaved; medians and ratios.

python benchmarks/build.py --dreamboot "python3 installer/bootstrap.py" --rounds 3 [--folder DIR]

Cold: empty caches. Warm: a second environment with filled caches. Ours is told twice: whole, and less its check (every
file, imports, one training step), which the others do not make.
"""

from __future__ import annotations

import argparse
import json
import os
import shlex
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

CONFIGURED = ("index-url", "extra-index-url", "find-links")


def main() -> None:
    """Measure and print one JSON document."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--dreamboot", default=f"{sys.executable} installer/bootstrap.py")
    parser.add_argument("--uv", default=shutil.which("uv") or "uv")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--folder", type=Path, help="where the environments go (default: a temporary folder)")
    options = parser.parse_args()
    seconds: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        tool = Path(folder) / "tool"
        run([*shlex.split(options.dreamboot), "--home", str(tool), "env", "list"])
        for number in range(options.rounds):
            place = Path(folder) / str(number)
            place.mkdir()
            measure(options, tool, place, seconds)
            peak = {child.name: size(child) for child in place.iterdir()}
            shutil.rmtree(place)
    print(json.dumps({"rounds": options.rounds, **summary(seconds), "bytes_on_disk": peak}, indent=1))


def measure(options: argparse.Namespace, tool: Path, place: Path, seconds: dict[str, list[float]]) -> None:
    """One round: each of the three, cold then warm; ours also once more with nothing to do."""
    home = place / "dreamboot"
    shutil.copytree(tool, home, symlinks=True)
    dreamboot = [*shlex.split(options.dreamboot), "--home", str(home)]
    for kind in ("cold", "warm"):
        note(seconds, f"dreamboot {kind}", timed([*dreamboot, "build", "--yes", "--env", kind]))
        shown = json.loads(run([*dreamboot, "env", "show", kind, "--json"]))
        note(seconds, f"dreamboot {kind} unchecked", seconds[f"dreamboot {kind}"][-1] - shown["seconds"]["Verify"])
        root = Path(shown["path"])
        python = json.loads((root / "plan.json").read_text(encoding="utf-8"))["python_path"]
        names = shown["packages"]
        (place / "set.txt").write_text("".join(f"{name}=={version}\n" for name, version in names.items()))
        others(options, place, python, kind, seconds)
    note(seconds, "dreamboot again", timed([*dreamboot, "build", "--yes", "--env", "warm"]))


def others(options: argparse.Namespace, place: Path, python: str, kind: str, seconds: dict[str, list[float]]) -> None:
    """The same set by uv and by pip, each with a cache of its own and the machine's own package sources."""
    wanted = str(place / "set.txt")
    uv = {**os.environ, "UV_CACHE_DIR": str(place / "uv" / "cache")}
    inside = place / "uv" / kind
    begun = time.monotonic()
    run([options.uv, "venv", "--python", python, "--quiet", str(inside)], uv)
    target = ["--python", str(inside / "bin" / "python")]
    run([options.uv, "pip", "install", "--quiet", *target, *configured(), "-r", wanted], uv)
    note(seconds, f"uv {kind}", time.monotonic() - begun)
    pip = {**os.environ, "PIP_CACHE_DIR": str(place / "pip" / "cache")}
    begun = time.monotonic()
    run([python, "-m", "venv", str(place / "pip" / kind)], pip)
    run([str(place / "pip" / kind / "bin" / "python"), "-m", "pip", "install", "--quiet", "-r", wanted], pip)
    note(seconds, f"pip {kind}", time.monotonic() - begun)


def configured() -> list[str]:
    """pip's configured sources as uv arguments: uv does not read them, and would fetch another set."""
    words: list[str] = []
    for option in CONFIGURED:
        found = os.environ.get("PIP_" + option.upper().replace("-", "_"), "")
        for section in ("global", "install"):
            command = [sys.executable, "-m", "pip", "config", "get", f"{section}.{option}"]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            found += " " + (done.stdout.strip() if done.returncode == 0 else "")
        for place in dict.fromkeys(found.split()):
            words += [f"--{option}", place]
    return [*words, "--index-strategy", "unsafe-best-match"]


def run(command: list[str], environment: dict[str, str] | None = None) -> str:
    """A program that must succeed; its output."""
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{command}: {done.stderr[-2000:]}")
    return done.stdout


def timed(command: list[str]) -> float:
    """Seconds of a program that must succeed."""
    begun = time.monotonic()
    run(command)
    return time.monotonic() - begun


def note(seconds: dict[str, list[float]], what: str, taken: float) -> None:
    """Keep one measurement."""
    seconds.setdefault(what, []).append(taken)


def size(folder: Path) -> int:
    """Bytes that a folder takes on disk; hard links count once."""
    seen: dict[tuple[int, int], int] = {}
    for path in folder.rglob("*") if folder.is_dir() else (folder,):
        facts = path.lstat()
        seen[(facts.st_dev, facts.st_ino)] = facts.st_blocks * 512
    return sum(seen.values())


def summary(seconds: dict[str, list[float]]) -> dict[str, object]:
    """Medians in seconds, all measurements, and our ratios to uv and pip."""
    median = {what: round(statistics.median(taken), 2) for what, taken in seconds.items()}
    ratios = {
        f"{ours} / {peer} {kind}": round(median[f"{ours.replace('KIND', kind)}"] / median[f"{peer} {kind}"], 2)
        for kind in ("cold", "warm")
        for ours in (f"dreamboot {kind}", f"dreamboot {kind} unchecked")
        for peer in ("uv", "pip")
    }
    each = {what: [round(one, 2) for one in taken] for what, taken in seconds.items()}
    return {"median_seconds": median, "ratios": ratios, "seconds": each}


if __name__ == "__main__":
    main()
