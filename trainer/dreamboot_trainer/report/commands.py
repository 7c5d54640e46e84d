"""Commands that a person can paste: to draw, to go on, to repeat."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from dreamboot_trainer.config import Config
from dreamboot_trainer.report import RESOLVED
from dreamboot_trainer.shell import quoted


@dataclass(frozen=True, kw_only=True, slots=True)
class Command:
    """One wish in two spellings. `dreamboot` is empty where only the trainer itself can do it."""

    dreamboot: str
    module: str


def draw(run: Path, prompt: str) -> Command:
    """Pictures of `prompt` by the run's model."""
    word = f"--prompt {quoted(prompt)}"
    out = quoted(str(run.absolute() / "picture.png"))
    known = (run / "config.toml").is_file()  # dreamboot finds a run by it
    return Command(
        dreamboot=f"{_dreamboot()} sample {quoted(str(run.absolute()))} {word}" if known else "",
        module=f"{_trainer('sample')} --config {_quoted_config(run)} {word} --out {out}",
    )


def can_go_on(config: Config) -> bool:
    """Whether the run takes more steps: a rate that falls until the last one has fallen by then."""
    return config.optimizer.lr_scheduler.startswith("constant")


def longer(run: Path, config: Config) -> Command:
    """Half as many steps more, or passes where those say how long the run is: in place, or else from the beginning."""
    epochs = config.training.num_train_epochs
    key, most = ("num_train_epochs", epochs) if epochs else ("max_train_steps", config.training.max_train_steps)
    rest = f"--config {_quoted_config(run)}"
    start = Command(dreamboot=f"{_dreamboot()} train {rest}", module=f"{_trainer('train')} {rest}")
    start = start if can_go_on(config) else repeat(run)
    return Command(
        dreamboot=f"{start.dreamboot} --{key.replace('_', '-')} {more(most)}",
        module=f"{start.module} --{key} {more(most)}",
    )


def more(steps: int) -> int:
    """About half as many again, in a round number."""
    unit = int(10 ** max(0, len(str(steps)) - 2))
    return -(-(steps + -(-steps // 2)) // unit) * unit


def repeat(run: Path) -> Command:
    """The same run again in another folder."""
    config = quoted(str(run.absolute() / RESOLVED))
    return Command(
        dreamboot=f"{_dreamboot()} train --config {config} --output NEW_FOLDER",
        module=f"{_trainer('train')} --config {config} --output_dir NEW_FOLDER",
    )


def _config(run: Path) -> Path:
    """What the run was really made with: its config.toml does not hold the flags of later calls."""
    resolved = run.absolute() / RESOLVED
    return resolved if resolved.is_file() else run.absolute() / "config.toml"


def _quoted_config(run: Path) -> str:
    return quoted(str(_config(run)))


def _dreamboot() -> str:
    """As this person calls it: dreamboot tells its trainer."""
    return os.environ.get("DREAMBOOT_CALLED_AS") or "dreamboot"


def _trainer(command: str) -> str:
    return f"python -m dreamboot_trainer {command}"
