"""Complete training states: written beside and renamed, so that the newest one is always whole."""

from __future__ import annotations

import json
import random
import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from dreamboot_trainer.checks.space import require_room
from dreamboot_trainer.files import PARTIAL, replacing_folder
from dreamboot_trainer.problems import TrainerError, mismatch

SCHEMA = 1
_NAME = re.compile(r"step-(\d{6,})$")
_WEIGHTS, _OPTIMIZER, _STATE = "weights.safetensors", "optimizer.pt", "state.json"


@dataclass(frozen=True, kw_only=True, slots=True)
class Saved:
    """One complete checkpoint."""

    step: int
    path: Path


@dataclass(slots=True)
class State:
    """What changes during training. `facts` must be equal for a run to go on (photos, settings)."""

    weights: Mapping[str, torch.nn.Parameter]
    optimizer: Any
    schedule: Any
    facts: dict[str, Any]


def complete(folder: Path) -> tuple[Saved, ...]:
    """The whole checkpoints in a folder, oldest first."""
    if not folder.is_dir():
        return ()
    found = ((_NAME.match(item.name), item) for item in folder.iterdir())
    saved = (Saved(step=int(match[1]), path=item) for match, item in found if match and (item / _STATE).is_file())
    return tuple(sorted(saved, key=lambda checkpoint: checkpoint.step))


def save(folder: Path, step: int, state: State, generators: list[dict[str, Any]], limit: int) -> Saved:
    """Write checkpoint `step`, then remove the oldest beyond `limit` (0 keeps all). Main process only.

    `generators`: the random states of every process. TrainerError when there is no room; older ones are then kept.
    """
    from safetensors.torch import save_file

    optimizer = state.optimizer.state_dict()
    needed = _bytes(state.weights) + _bytes_of(optimizer)
    require_room(folder, int(needed * 1.02) + 2**20, "The checkpoints made so far are kept.")
    path = folder / f"step-{step:06d}"
    with replacing_folder(path) as partial:
        tensors = {name: parameter.detach().cpu().contiguous() for name, parameter in state.weights.items()}
        save_file(tensors, partial / _WEIGHTS)
        torch.save(
            {"optimizer": optimizer, "schedule": state.schedule.state_dict(), "generators": generators},
            partial / _OPTIMIZER,
        )
        content = {"schema": SCHEMA, "step": step, "processes": len(generators), "facts": state.facts}
        (partial / _STATE).write_text(json.dumps(content, indent=1), encoding="utf-8")
    _forget(folder, limit)
    return Saved(step=step, path=path)


def load(saved: Saved, state: State, process: int) -> None:
    """Put a checkpoint's content into `state` and the random generators of this process.

    TrainerError when the run's facts have changed since, naming which.
    """
    from safetensors.torch import load_file

    try:
        content = json.loads((saved.path / _STATE).read_text(encoding="utf-8"))
        _same_facts(saved, content["facts"], state.facts)
        tensors = load_file(saved.path / _WEIGHTS)
        rest = torch.load(saved.path / _OPTIMIZER, map_location="cpu", weights_only=True)
        with torch.no_grad():
            for name, parameter in state.weights.items():
                parameter.copy_(tensors[name])
        state.optimizer.load_state_dict(rest["optimizer"])
        state.schedule.load_state_dict(rest["schedule"])
    except (OSError, KeyError, ValueError, RuntimeError) as error:
        raise TrainerError(
            mismatch(
                "checkpoint-damaged",
                f"The checkpoint {saved.path} cannot be read.",
                "a checkpoint of this run",
                f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}",
                f"rm -r {saved.path}",
            )
        ) from error
    if process < len(rest["generators"]):
        restore_generators(rest["generators"][process])


def generators() -> dict[str, Any]:
    """The states of the process's global random generators. (The trainer draws from none of them; libraries may.)"""
    version, numbers, following = random.getstate()
    found: dict[str, Any] = {"torch": torch.get_rng_state(), "python": [version, list(numbers), following]}
    if torch.cuda.is_available():
        found["cuda"] = torch.cuda.get_rng_state()
    return found


def restore_generators(states: Mapping[str, Any]) -> None:
    """The inverse of `generators`."""
    torch.set_rng_state(states["torch"])
    version, numbers, following = states["python"]
    random.setstate((version, tuple(numbers), following))
    if "cuda" in states and torch.cuda.is_available():
        torch.cuda.set_rng_state(states["cuda"])


def _same_facts(saved: Saved, then: Mapping[str, Any], now: Mapping[str, Any]) -> None:
    changed = [
        f"{name} = {now.get(name)!r} (was {then.get(name)!r})"
        for name in sorted({*then, *now})
        if then.get(name) != now.get(name)
    ]
    if changed:
        raise TrainerError(
            mismatch(
                "resume-changed",
                f"The run cannot go on from {saved.path.name}: its configuration or its photos have changed.",
                "the same training settings and photos as before",
                "; ".join(changed[:5]),
                "Undo the change, or start over: --set resume=never, or --set output_dir=NEW_FOLDER",
            )
        )


def _forget(folder: Path, limit: int) -> None:
    for stale in folder.glob(f"step-*{PARTIAL}"):
        shutil.rmtree(stale, ignore_errors=True)
    if limit:
        for old in complete(folder)[:-limit]:
            shutil.rmtree(old.path, ignore_errors=True)


def _bytes(weights: Mapping[str, torch.nn.Parameter]) -> int:
    return sum(parameter.numel() * parameter.element_size() for parameter in weights.values())


def _bytes_of(content: Any) -> int:
    if isinstance(content, torch.Tensor):
        return content.numel() * content.element_size()
    if isinstance(content, Mapping):
        return sum(_bytes_of(item) for item in content.values())
    if isinstance(content, (list, tuple)):
        return sum(_bytes_of(item) for item in content)
    return 8
