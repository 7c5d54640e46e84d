"""TensorBoard and Weights & Biases, through accelerate's trackers."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping

from dreamboot_trainer.config import SECTIONS, Config
from dreamboot_trainer.context import Context
from dreamboot_trainer.problems import TrainerError, mismatch


def require_tracker(name: str) -> None:
    """TrainerError where the library of a tracker is not installed."""
    if name != "none" and importlib.util.find_spec(name) is None:
        raise TrainerError(
            mismatch(
                "tracker-missing",
                f"The run was to be reported to {name}, which is not installed.",
                f"the library {name}",
                "none",
                f"pip install {name}, or: --set report_to=none",
            )
        )


def start(context: Context) -> None:
    """Open the tracker with the run's settings."""
    if context.config.output.report_to != "none":
        logs = context.run / "logs"
        logs.mkdir(exist_ok=True)
        context.accelerator.init_trackers(
            "dreamboot",
            config=_flat(context.config),
            init_kwargs={"wandb": {"dir": str(logs), "name": context.run.name}},
        )


def log(context: Context, values: Mapping[str, float], step: int) -> None:
    """The numbers of one step."""
    if context.config.output.report_to != "none":
        context.accelerator.log(dict(values), step=step)


def finish(context: Context) -> None:
    """Close the tracker."""
    if context.config.output.report_to != "none":
        context.accelerator.end_training()


def _flat(config: Config) -> dict[str, object]:
    """Settings as trackers take them: text, numbers and truth values."""
    found: dict[str, object] = {}
    for section, cls in SECTIONS.items():
        part = getattr(config, section)
        for name in cls.__dataclass_fields__:
            value = getattr(part, name)
            found[f"{section}.{name}"] = value if isinstance(value, (str, int, float)) else str(value)
    return found
