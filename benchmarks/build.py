"""Build time against plain `uv pip install` and plain `pip install` of the same set, interleaved; medians and ratios.

python benchmarks/build.py --dreamboot "python3 installer/bootstrap.py" --rounds 3 [--peers uv] [--folder DIR]

Cold: empty caches. Warm: a second environment with filled caches; ours takes the first one's lock, the others get exact
versions. Ours is told twice: whole, and less its check (every file, imports, one training step), which the others do
not make. Who comes first changes from round to round; the load average of each round is told. One more round, not
timed, counts the bytes that come through a proxy and the most that lies on the disk at one time.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shlex
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Sequence

from counting import CountingProxy, PeakDisk

CONFIGURED = ("index-url", "extra-index-url", "find-links")
PEERS = ("uv", "pip")
# Of issue 4: cold and warm against uv alone, seconds for a rebuild that has nothing to do.
GOALS = {"cold": 1.10, "warm": 1.30, "again": 0.5}


@dataclass
class Bench:
    """What every contender needs: the tool, the interpreter, the set, and where measurements go."""

    dreamboot: list[str]
    uv: str
    tool: Path
    python: str
    wanted: Path
    sources: list[str]
    seconds: dict[str, list[float]] = field(default_factory=dict)
    loads: list[float] = field(default_factory=list)

    def note(self, what: str, taken: float) -> None:
        """Keep one measurement."""
        self.seconds.setdefault(what, []).append(taken)


def main() -> None:
    """Measure and print one JSON document, or a table."""
    options = arguments()
    with tempfile.TemporaryDirectory(dir=options.folder) as name:
        bench = prepare(options, Path(name))
        order = ["dreamboot", *options.peers]
        for number in range(options.rounds):
            bench.loads.append(round(os.getloadavg()[0], 2))
            place = Path(name) / str(number)
            measure(bench, place, order)
            shutil.rmtree(place)
            order = [*order[1:], order[0]]
        counted = count(bench, Path(name) / "counted", order)
    result = {
        "rounds": options.rounds,
        "load_before_each": bench.loads,
        **summary(bench.seconds, options.peers),
        **counted,
    }
    print(table(result) if options.markdown else json.dumps(result, indent=1))


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--dreamboot", default=f"{sys.executable} installer/bootstrap.py")
    parser.add_argument("--uv", default=shutil.which("uv") or "uv")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--peers", nargs="+", choices=PEERS, default=PEERS, help="against whom (default: %(default)s)")
    parser.add_argument("--folder", type=Path, help="where the environments go (default: a temporary folder)")
    parser.add_argument("--markdown", action="store_true", help="a table instead of JSON")
    return parser.parse_args()


def prepare(options: argparse.Namespace, folder: Path) -> Bench:
    """dreamboot's own environment, and the exact set of packages that its plan locks."""
    words, tool = shlex.split(options.dreamboot), folder / "tool-home"
    plan = json.loads(run([*words, "--home", str(tool), "build", "--yes", "--dry-run", "--json"]))["plan"]
    lock = json.loads(run([*words, "--home", str(tool), "build", "--lock-only", "--json"]))["lock"]
    wanted = folder / "set.txt"
    wanted.write_text("".join(f"{name}=={version}\n" for name, version in locked(lock)))
    shutil.rmtree(tool / "cache" / "uv", ignore_errors=True)
    return Bench(
        dreamboot=words, uv=options.uv, tool=tool, python=plan["python_path"], wanted=wanted, sources=configured()
    )


def locked(text: str) -> list[tuple[str, str]]:
    """(name, version) of every package of a pylock.toml."""
    return re.findall(r'^name = "([^"]+)"\nversion = "([^"]+)"', text, re.MULTILINE)


def measure(bench: Bench, place: Path, order: list[str]) -> None:
    """One round: all cold, then all warm; ours also once more with nothing to do."""
    for kind in ("cold", "warm"):
        for who in order:
            taken = CONTENDERS[who](bench, place / who, kind, dict(os.environ))
            bench.note(f"{who} {kind}", taken)
            if who == "dreamboot":
                bench.note(f"dreamboot {kind} unchecked", taken - check_seconds(bench, place / who, kind))
    again = [*bench.dreamboot, "--home", str(place / "dreamboot"), "build", "--yes", "--env", "cold"]
    for _ in range(3):
        bench.note("dreamboot again", timed(again))


def by_dreamboot(bench: Bench, place: Path, kind: str, variables: dict[str, str]) -> float:
    """Our whole build, from detection to the training step."""
    if not place.exists():
        shutil.copytree(bench.tool, place, symlinks=True)
    return timed([*bench.dreamboot, "--home", str(place), "build", "--yes", "--env", kind], variables)


def by_uv(bench: Bench, place: Path, kind: str, variables: dict[str, str]) -> float:
    """A venv and the set by uv, with a cache of its own and the machine's own package sources."""
    variables = {**variables, "UV_CACHE_DIR": str(place / "cache")}
    inside = place / kind
    begun = time.monotonic()
    run([bench.uv, "venv", "--python", bench.python, "--quiet", str(inside)], variables)
    target = ["--python", str(inside / "bin" / "python")]
    run([bench.uv, "pip", "install", "--quiet", *target, *bench.sources, "-r", str(bench.wanted)], variables)
    return time.monotonic() - begun


def by_pip(bench: Bench, place: Path, kind: str, variables: dict[str, str]) -> float:
    """A venv and the set by pip, with a cache of its own."""
    variables = {**variables, "PIP_CACHE_DIR": str(place / "cache")}
    inside = place / kind
    begun = time.monotonic()
    run([bench.python, "-m", "venv", str(inside)], variables)
    run([str(inside / "bin" / "python"), "-m", "pip", "install", "--quiet", "-r", str(bench.wanted)], variables)
    return time.monotonic() - begun


CONTENDERS = {"dreamboot": by_dreamboot, "uv": by_uv, "pip": by_pip}


def check_seconds(bench: Bench, home: Path, kind: str) -> float:
    """What the step Verify took of a build."""
    shown = run([*bench.dreamboot, "--home", str(home), "env", "show", kind, "--json"])
    return float(json.loads(shown)["seconds"]["Verify"])


def count(bench: Bench, place: Path, order: list[str]) -> dict[str, Any]:
    """Megabytes that came over the network, and at most lay on the disk (temporary files too), per contender."""
    fetched: dict[str, float] = {}
    peaks: dict[str, float] = {}
    for kind in ("cold", "warm"):
        for who in order:
            temporary = place / f"{who}-tmp"
            temporary.mkdir(parents=True, exist_ok=True)
            with CountingProxy() as proxy, PeakDisk((place / who, temporary)) as disk:
                variables = {**os.environ, **proxy.variables, "TMPDIR": str(temporary)}
                CONTENDERS[who](bench, place / who, kind, variables)
            own = disk.size_of(bench.tool) if who == "dreamboot" else 0
            fetched[f"{who} {kind}"] = round(proxy.received / 1e6, 1)
            peaks[f"{who} {kind}"] = round((disk.peak - own) / 1e6)
    return {"megabytes_fetched": fetched, "peak_megabytes_on_disk": peaks}


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
        sys.exit(f"{command}: {done.stderr[-2000:]}{done.stdout[-500:]}")
    return done.stdout


def timed(command: list[str], environment: dict[str, str] | None = None) -> float:
    """Seconds of a program that must succeed."""
    begun = time.monotonic()
    run(command, environment)
    return time.monotonic() - begun


def summary(seconds: dict[str, list[float]], peers: Sequence[str]) -> dict[str, Any]:
    """Medians in seconds, all measurements, and our ratios to uv and pip: of the same round, then the median."""
    median = {what: round(statistics.median(taken), 2) for what, taken in seconds.items()}
    ratios = {}
    for kind in ("cold", "warm"):
        for ours in (f"dreamboot {kind}", f"dreamboot {kind} unchecked"):
            for peer in peers:
                pairs = zip(seconds[ours], seconds[f"{peer} {kind}"])
                ratios[f"{ours} / {peer}"] = round(statistics.median(mine / theirs for mine, theirs in pairs), 2)
    each = {what: [round(one, 2) for one in taken] for what, taken in seconds.items()}
    return {"median_seconds": median, "ratios": ratios, "seconds": each, "goals": GOALS}


def table(result: dict[str, Any]) -> str:
    """The same as Markdown."""
    rows = ["| | cold, s | warm, s | cold, MB fetched | warm, MB fetched | cold, peak MB on disk | warm, peak MB |",
            "| --- | --- | --- | --- | --- | --- | --- |"]  # fmt: skip
    median, fetched, peak = (result[key] for key in ("median_seconds", "megabytes_fetched", "peak_megabytes_on_disk"))
    for who in dict.fromkeys(name.split()[0] for name in fetched):
        times = [f"{median[f'{who} {kind}']}" for kind in ("cold", "warm")]
        if who == "dreamboot":
            times = [f"{text} ({median[f'dreamboot {kind} unchecked']} less the check)"
                     for text, kind in zip(times, ("cold", "warm"))]  # fmt: skip
        rest = [f"{source[f'{who} {kind}']}" for source in (fetched, peak) for kind in ("cold", "warm")]
        rows.append(f"| {' | '.join((who, *times, *rest))} |")
    ratios = "; ".join(f"{pair} {ratio}" for pair, ratio in result["ratios"].items())
    loads = ", ".join(str(load) for load in result["load_before_each"])
    return "\n".join(
        (
            *rows,
            "",
            f"Load before each round: {loads}.",
            f"Ratios: {ratios}.",
            f"Nothing to do: {median['dreamboot again']} s.",
        )
    )


if __name__ == "__main__":
    main()
