"""Every optimizer learns, goes on exactly, and says what it needs."""

# ruff: noqa: E402 - the imports need torch, which not every environment has

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from dreamboot_trainer.problems import Interrupted, TrainerError
from support.training import changed, configure, losses, train

pytestmark = pytest.mark.trainer


def test_the_schema_names_the_optimizers_that_there_are() -> None:
    from dreamboot_trainer.config import OPTIMIZERS
    from dreamboot_trainer.optim import OPTIMIZERS as BUILDERS

    assert tuple(BUILDERS) == OPTIMIZERS


@pytest.mark.parametrize("name", ["paged_adamw8bit", "ademamix8bit", "lion", "lion8bit", "adafactor", "sgd", "prodigy"])
def test_every_optimizer_learns_and_goes_on_exactly(
    tiny: Path, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    from dreamboot_trainer import loop

    if name == "prodigy":
        pytest.importorskip("prodigyopt")
    config = configure(
        tiny, photos, optimizer=name, learning_rate={"prodigy": 1.0, "sgd": 0.05}.get(name, 1e-3), max_train_steps=6,
        with_prior_preservation=False,
    )  # fmt: skip
    whole = losses(train(config, tmp_path / "whole"))
    original = loop._optimizer_step

    def interrupted(context: Any, training: Any, index: int) -> Any:
        context.interrupts.requested = index == 2
        return original(context, training, index)

    monkeypatch.setattr(loop, "_optimizer_step", interrupted)
    with pytest.raises(Interrupted):
        train(config, tmp_path / "halves")
    monkeypatch.undo()
    assert losses(train(config, tmp_path / "halves")) == whole
    assert changed(tmp_path / "whole", tiny, "unet")


def test_a_missing_library_is_a_problem_with_a_way_out(
    tiny: Path, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "prodigyopt", None)
    with pytest.raises(TrainerError) as caught:
        train(configure(tiny, photos, optimizer="prodigy"), tmp_path / "run")
    assert "pip install prodigyopt" in caught.value.problem.hint
