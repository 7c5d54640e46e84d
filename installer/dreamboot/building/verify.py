"""Is the environment what the plan says, and does it work? Asked in a child process with a time limit."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Dict, Mapping, Sequence

from dreamboot.building.layout import GenerationLayout
from dreamboot.host import Host
from dreamboot.model import DreambootError, Plan, Problem

# Imports of a cold CPU stack take about 20 s on two cores; on a machine that was busy with six other jobs they took
# more than 300 s, and a virus scanner is no faster.
SECONDS = 1200.0
IMPORT_NAMES = ("torch", "transformers", "diffusers", "accelerate", "bitsandbytes", "peft", "safetensors", "PIL")
DISTRIBUTION = {"PIL": "pillow"}


def verify(host: Host, plan: Plan, generation: GenerationLayout, environment: Mapping[str, str]) -> Dict[str, Any]:
    """What the child found. Raises `DreambootError` naming the first package that does not load or is another one."""
    names = [name for name in IMPORT_NAMES if DISTRIBUTION.get(name, name) in {*plan.packages, "torch"}]
    child = Path(__file__).with_name("verify_child.py")
    python = generation.python(host.system)
    argv = [str(python), "-I", str(child), str(generation.accelerate), *names]
    done = host.run(argv, timeout=SECONDS, env={**environment, **plan.environment})
    found = _last_json(done.stdout)
    if found is None:
        tail = " ".join((done.stderr or done.stdout).split()[-60:])
        raise DreambootError(_broken("the check itself", f"it ended with code {done.returncode}: {tail}"))
    for name in names:
        version = found["imports"].get(name)
        if isinstance(version, Mapping):
            raise DreambootError(_broken(name, str(version.get("error"))))
    if found["accelerate"]:
        raise DreambootError(_broken("accelerate's configuration", found["accelerate"]))
    installed = str(found["torch"].get("version", ""))
    if installed.split("+", maxsplit=1)[0] != plan.torch.version:
        raise DreambootError(_broken("torch", f"the plan says {plan.torch.version}, installed is {installed}"))
    return found


def _last_json(text: str) -> Dict[str, Any] | None:
    lines: Sequence[str] = [line for line in text.splitlines() if line.startswith("{")]
    try:
        found: Dict[str, Any] = json.loads(lines[-1])
    except (ValueError, IndexError):
        return None
    return found


def _broken(what: str, why: str) -> Problem:
    return Problem(
        id="verify-failed",
        what=f"The new environment does not work: {what}.",
        cause=why,
        hint="The environment in use before stays in use. Name the cause with: dreamboot doctor",
    )
