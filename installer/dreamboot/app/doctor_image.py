"""Doctor of a container image: the same examination, run inside with our code mounted read-only."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from typing import Dict, List

from dreamboot.app.context import Context
from dreamboot.model import DreambootError, ExitCode, Problem, Report
from dreamboot.values import to_json

SECONDS = 120.0
INSIDE = "/dreamboot-doctor"
LIBRARIES = ("packaging", "cattrs", "attr", "attrs", "typing_extensions", "exceptiongroup")
# The first Python of these that an image has is examined: ours, a trainer's, then the image's own.
PLACES = ("/opt/dreamboot/venv/bin/python", "/opt/venv/bin/python", "/venv/bin/python", "/app/venv/bin/python")


def examine_image(context: Context, tag: str) -> Report:
    """The findings about the Python of an image. Raises `DreambootError` when no engine or no Python answers."""
    engine = context.host.which("docker") or context.host.which("podman")
    if engine is None:
        raise DreambootError(
            Problem(
                id="no-container-engine",
                what="No container engine is there to look into the image.",
                cause="Neither docker nor podman is on PATH.",
                hint="https://docs.docker.com/engine/install/",
            )
        )
    done = context.host.run(_command(context, engine, tag), timeout=SECONDS)
    start = done.stdout.find("{")
    try:
        data = json.loads(done.stdout[start:]) if start >= 0 else None
    except ValueError:
        data = None
    if not isinstance(data, dict) or "findings" not in data:
        from dreamboot.doctor.symptoms import explain

        causes = explain(done.stderr + done.stdout)
        problem = causes[0].problem if causes else _silent(tag, done.stderr)
        raise DreambootError(problem)
    data["image"] = tag
    red = any(finding["status"] in ("error", "crashed") for finding in data["findings"])
    return Report(command="doctor", data=data, exit_code=ExitCode.PROBLEM if red else ExitCode.DONE)


def _silent(tag: str, told: str) -> Problem:
    return Problem(
        id="image-unreadable",
        what=f"The image {tag} could not be examined.",
        cause=next((line for line in told.splitlines() if "rror" in line), told.strip()[-300:] or "it printed nothing"),
        hint=f"docker run --rm {tag} python3 --version",
    )


def _libraries() -> Dict[str, str]:
    """What our code imports on this way, pure Python all of it: file or folder here → place inside."""
    found = {}
    for name in LIBRARIES:
        spec = importlib.util.find_spec(name)
        if spec is not None and spec.origin is not None:
            origin = Path(spec.origin)
            source = origin.parent if origin.name == "__init__.py" else origin
            found[str(source)] = f"{INSIDE}/{source.name}"
    return found


def _command(context: Context, engine: str, tag: str) -> List[str]:
    """`docker run` with our package and its few libraries mounted; the machine is the host's, as it was detected."""
    package = Path(__file__).resolve().parents[1]
    stated = context.home / "doctor-machine.json"
    if not context.dry_run:
        context.host.write_text(stated, json.dumps(to_json(context.machine())))
    options = f"'--json', '--home', '{INSIDE}/home', '--assume', '{INSIDE}/machine.json'"
    code = (
        f"import sys; sys.path[:0] = ['{INSIDE}']; from dreamboot.cli import main; "
        f"sys.exit(main(['doctor', '--python', sys.argv[1], {options}]))"
    )
    find = "; ".join(f"[ -x {place} ] && P=${{P:-{place}}}" for place in PLACES)
    script = f'{find}; P=${{P:-$(command -v python3 || command -v python)}}; exec $P -c "$0" $P'
    mounts = {
        str(package): f"{INSIDE}/dreamboot",
        str(stated): f"{INSIDE}/machine.json",
    }
    mounts.update(_libraries())
    volumes = [word for source, place in mounts.items() for word in ("-v", f"{source}:{place}:ro")]
    return [
        engine,
        "run",
        "--rm",
        "--pull",
        "never",
        "--network",
        "none",
        *volumes,
        "--entrypoint",
        "sh",
        tag,
        "-c",
        script,
        code,
    ]
