"""Complete training states: written beside and renamed, so that the newest one is always whole."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch

from dreamboot_trainer import shell
from dreamboot_trainer.checks.space import require_room
from dreamboot_trainer.ema import Average
from dreamboot_trainer.files import PARTIAL, replacing_folder
from dreamboot_trainer.problems import TrainerError, mismatch
from dreamboot_trainer.sharding import divided, local, part_of, whole_tree

SCHEMA = 1
_NAME = re.compile(r"step-(\d{6,})$")
_WEIGHTS, _AVERAGE = "weights.safetensors", "average.safetensors"
_OPTIMIZER, _STATE = "optimizer.pt", "state.json"
_DAMAGE = (
    OSError, EOFError, LookupError, TypeError, ValueError, RuntimeError, AttributeError, UnpicklingError
)  # fmt: skip
"""What json and torch raise on torn files and on files of something else; safetensors has an error of its own."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Saved:
    """One complete checkpoint."""

    step: int
    path: Path


@dataclass(slots=True)
class State:
    """What changes during training. `facts` must be equal for a run to go on (photos, settings).

    `scaler` is torch's gradient scaler, which training in fp16 has.
    """

    weights: Mapping[str, torch.nn.Parameter]
    optimizer: Any
    schedule: Any
    facts: dict[str, Any]
    average: Average | None = None
    scaler: Any = None


def complete(folder: Path) -> tuple[Saved, ...]:
    """The whole checkpoints in a folder, oldest first."""
    if not folder.is_dir():
        return ()
    found = ((_NAME.match(item.name), item) for item in folder.iterdir())
    saved = (Saved(step=int(match[1]), path=item) for match, item in found if match and (item / _STATE).is_file())
    return tuple(sorted(saved, key=lambda checkpoint: checkpoint.step))


@dataclass(frozen=True, slots=True)
class Content:
    """What a checkpoint holds, with every tensor whole; `rest` is what torch writes: optimizer, schedule, scaler."""

    weights: Mapping[str, torch.Tensor]
    average: Mapping[str, torch.Tensor] | None
    rest: Mapping[str, Any]
    facts: dict[str, Any]


def content(state: State, *, keep: bool) -> Content:
    """The state as it will be written. Sharded tensors are put together: every process calls it, one has `keep`."""
    average = state.average.shadow if state.average is not None else None
    rest = {"optimizer": state.optimizer.state_dict(), "schedule": state.schedule.state_dict()}
    if state.scaler is not None:
        rest["scaler"] = state.scaler.state_dict()
    weights = {name: parameter.detach() for name, parameter in state.weights.items()}
    weights, average, rest["optimizer"] = whole_tree((weights, average, rest["optimizer"]), keep=keep)
    return Content(weights, average, rest, state.facts)


def save(folder: Path, step: int, content: Content, limit: int) -> Saved:
    """Write checkpoint `step`, then remove the oldest beyond `limit` (0 keeps all). Main process only.

    Random generators have no place in it: every draw is a function of the seed and the step (see noise.py).
    TrainerError when there is no room; older checkpoints are then kept.
    """
    from safetensors.torch import save_file

    needed = _bytes_of((content.weights, content.average, content.rest))
    require_room(folder, int(needed * 1.02) + 2**20, "The checkpoints made so far are kept.")
    path = folder / f"step-{step:06d}"
    with replacing_folder(path) as partial:
        save_file({name: tensor.cpu().contiguous() for name, tensor in content.weights.items()}, partial / _WEIGHTS)
        if content.average is not None:
            save_file({name: tensor.cpu() for name, tensor in content.average.items()}, partial / _AVERAGE)
        torch.save(dict(content.rest), partial / _OPTIMIZER)
        words = {"schema": SCHEMA, "step": step, "facts": content.facts}
        (partial / _STATE).write_text(json.dumps(words, indent=1), encoding="utf-8")
    _forget(folder, limit)
    return Saved(step=step, path=path)


def load(saved: Saved, state: State) -> None:
    """Put a checkpoint's content into `state`.

    TrainerError when the run's facts have changed since, naming which.
    """
    from safetensors import SafetensorError

    try:
        content = json.loads((saved.path / _STATE).read_text(encoding="utf-8"))
        _same_step(saved, content["step"])
        _same_facts(saved, content["facts"], state.facts)
        rest = torch.load(saved.path / _OPTIMIZER, map_location="cpu", weights_only=True)
        _fill(state.weights, saved.path / _WEIGHTS)
        if state.average is not None:
            _fill(state.average.shadow, saved.path / _AVERAGE)
        state.optimizer.load_state_dict(divided(rest["optimizer"], state.optimizer))
        state.schedule.load_state_dict(rest["schedule"])
        if state.scaler is not None and "scaler" in rest:  # none where the steps so far had another precision
            state.scaler.load_state_dict(rest["scaler"])
    except (*_DAMAGE, SafetensorError) as error:
        raise TrainerError(
            mismatch(
                "checkpoint-damaged",
                f"The checkpoint {saved.path} cannot be read.",
                "a checkpoint of this run",
                f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else 'no more to read'}",
                shell.take_out(saved.path),
            )
        ) from error


def _same_step(saved: Saved, found: object) -> None:
    if found != saved.step:
        raise ValueError(f"the state after step {found}")


def _fill(weights: Mapping[str, Any], path: Path) -> None:
    """Put the file's tensors into `weights`; ValueError on another shape, which copying would stretch."""
    from safetensors.torch import load_file

    tensors = load_file(path)
    with torch.no_grad():
        for name, weight in weights.items():
            if tensors[name].shape != weight.shape:
                raise ValueError(f"{name} has the shape {tuple(tensors[name].shape)} for {tuple(weight.shape)}")
            local(weight).copy_(part_of(tensors[name], weight))


def _same_facts(saved: Saved, then: Mapping[str, Any], now: Mapping[str, Any]) -> None:
    changed = [
        _change(name, then.get(name), now.get(name))
        for name in sorted({*then, *now})
        if then.get(name) != now.get(name)
    ]
    if changed:
        raise TrainerError(
            mismatch(
                "resume-changed",
                f"The run cannot go on from {saved.path.name}: its configuration, photos or model have changed.",
                "the same model, training settings, photos and captions as before",
                "; ".join(changed[:5]),
                "Undo the change, or begin in another folder: --set output_dir=NEW_FOLDER (or anew in this one, which "
                "keeps in earlier/ what was there: --set resume=never)",
            )
        )


def _change(name: str, then: Any, now: Any) -> str:
    if name == "model":
        return "other weights, configs or tokenizers of the base model"
    if name != "photos" or not isinstance(then, list):
        return f"{name} = {now!r} (was {then!r})"
    differing = [entry for entry in (*then, *now) if entry not in then or entry not in now]
    files = list(dict.fromkeys(str(entry[0]) for entry in differing)) or ["their order"]
    more = f" and {len(files) - 3} more" if len(files) > 3 else ""
    return f"{len(now)} photos and class images (was {len(then)}), different: {', '.join(files[:3])}{more}"


def _forget(folder: Path, limit: int) -> None:
    for stale in folder.glob(f"step-*{PARTIAL}"):
        shutil.rmtree(stale, ignore_errors=True)
    if limit:
        for old in complete(folder)[:-limit]:
            shutil.rmtree(old.path, ignore_errors=True)


def _bytes_of(content: Any) -> int:
    if isinstance(content, torch.Tensor):
        return content.numel() * content.element_size()
    if isinstance(content, Mapping):
        return sum(_bytes_of(item) for item in content.values())
    if isinstance(content, (list, tuple)):
        return sum(_bytes_of(item) for item in content)
    return 8
