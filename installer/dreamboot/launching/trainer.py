"""The trainer's code and its command line: a copy per content hash, run by the environment's interpreter."""

from __future__ import annotations

import hashlib
import importlib.util
import re
from pathlib import Path
from typing import Dict, List, Mapping, Sequence

from dreamboot.building.layout import Layout
from dreamboot.building.uv import clean_environment
from dreamboot.host import Host
from dreamboot.model import DreambootError, Environment, Plan, Problem

PACKAGE = "dreamboot_trainer"
# The built-in model is data, named by its path; a copy of it per version of the code would only cost room.
NOT_CODE = ("__pycache__", "model", "pretrain")


def trainer_source() -> Path:
    """The folder of the trainer package that belongs to this dreamboot; nothing of it is imported."""
    spec = importlib.util.find_spec(PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        raise DreambootError(
            Problem(
                id="trainer-missing",
                what="The trainer's code is not beside dreamboot.",
                cause="The package dreamboot_trainer can't be found: an incomplete checkout or installation.",
                hint="git status   (in a checkout), or install dreamboot again",
            )
        )
    return Path(next(iter(spec.submodule_search_locations)))


def content_hash(source: Path) -> str:
    """Hash of names and contents of the code, so that each version gets a folder of its own."""
    digest = hashlib.sha256()
    for path in sorted(source.rglob("*")):
        relative = path.relative_to(source)
        if path.is_file() and not set(relative.parts) & set(NOT_CODE):
            digest.update(str(relative).encode() + b"\0" + hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()[:16]


def place_trainer(host: Host, layout: Layout) -> Path:
    """The folder to put on PYTHONPATH: it holds the trainer package and nothing else.

    A copy, so that a run that is going on, or is resumed, does not change when the checkout does.
    """
    source = trainer_source()
    folder = layout.trainers / content_hash(source)
    if not host.is_dir(folder / PACKAGE):
        host.copy_tree(source, folder / PACKAGE, ignore=("__pycache__", "pretrain"))
    return folder


def trainer_environment(host: Host, folder: Path, plan: Plan) -> Dict[str, str]:
    """Variables of a trainer process: clean, plus what the plan sets."""
    variables = clean_environment(host, training=True)
    variables.update(plan.environment)
    variables["PYTHONPATH"] = str(folder)
    variables["PYTHONUNBUFFERED"] = "1"
    # The trainer saves and ends when its standard input closes: also when we die without a word.
    variables["DREAMBOOT_STOP_ON_STDIN_EOF"] = "1"
    variables["DREAMBOOT_CALLED_AS"] = called_as(host.environ)
    return variables


def called_as(environ: Mapping[str, str]) -> str:
    """How a person starts dreamboot, from any folder: a report is read later, and elsewhere."""
    command = environ.get("DREAMBOOT_COMMAND", "dreamboot")
    checkout = environ.get("DREAMBOOT_CHECKOUT")
    if not checkout:
        return command
    path = str(Path(checkout).absolute() / "installer" / "bootstrap.py")
    return re.sub(
        r'"[^"]*bootstrap\.py"|\S*bootstrap\.py', lambda _: f'"{path}"' if " " in path else path, command, count=1
    )


def direct_command(environment: Environment, arguments: Sequence[str]) -> List[str]:
    """The trainer without accelerate's launcher: for what is no training."""
    return [environment.python, "-m", PACKAGE, *arguments]


def launch_command(environment: Environment, arguments: Sequence[str]) -> List[str]:
    """The trainer in one process under `accelerate launch`, with this environment's own configuration file."""
    config = str(Path(environment.path) / "accelerate.yaml")
    # One process needs no rendezvous port, which another program may hold.
    one = ["--num_processes", "1", "--num_machines", "1"]
    return [
        environment.python,
        "-m",
        "accelerate.commands.launch",
        "--config_file",
        config,
        *one,
        "-m",
        PACKAGE,
        *arguments,
    ]
