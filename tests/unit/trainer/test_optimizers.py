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


# Class, and by how many bits a moment of a large weight is kept.
KINDS = {
    "adamw": ("torch.optim.adamw.AdamW", 32), "adamw8bit": ("bitsandbytes.optim.adamw.AdamW8bit", 8),
    "paged_adamw": ("bitsandbytes.optim.adamw.PagedAdamW", 32),
    "paged_adamw8bit": ("bitsandbytes.optim.adamw.PagedAdamW8bit", 8),
    "ademamix8bit": ("bitsandbytes.optim.ademamix.AdEMAMix8bit", 8), "lion": ("bitsandbytes.optim.lion.Lion", 32),
    "lion8bit": ("bitsandbytes.optim.lion.Lion8bit", 8), "paged_lion8bit": ("bitsandbytes.optim.lion.PagedLion8bit", 8),
    "adafactor": ("transformers.optimization.Adafactor", 32), "prodigy": ("prodigyopt.prodigy.Prodigy", 32),
    "sgd": ("torch.optim.sgd.SGD", 32),
}  # fmt: skip


@pytest.mark.parametrize("name", KINDS)
def test_every_name_is_that_optimizer_with_the_settings_and_states_of_its_kind(name: str) -> None:
    from dreamboot_trainer import optim
    from dreamboot_trainer.config import OPTIMIZERS, Optimizer

    assert tuple(KINDS) == OPTIMIZERS
    kind, bits = KINDS[name]
    pytest.importorskip(kind.partition(".")[0])
    settings = Optimizer(
        optimizer=name, learning_rate=0.01, adam_beta1=0.8, adam_beta2=0.95, adam_weight_decay=0.3, adam_epsilon=1e-5
    )
    weights = [torch.nn.Parameter(torch.linspace(-1, 1, count)) for count in (64, 8192)]
    rates = (0.01, 0.01 if name == "prodigy" else 0.02)
    groups = [{"params": [each], "lr": rate} for each, rate in zip(weights, rates, strict=True)]
    made, _ = optim.build(groups, settings, "cpu")
    assert f"{type(made).__module__}.{type(made).__qualname__}" == kind
    assert getattr(made, "is_paged", False) is name.startswith("paged")
    assert [group["lr"] for group in made.param_groups] == list(rates)
    for group in made.param_groups:
        assert group["weight_decay"] == (0 if name == "sgd" else 0.3)
        if name not in ("sgd", "adafactor"):
            assert tuple(group["betas"])[:2] == (0.8, 0.95)
        if name not in ("sgd", "adafactor", "lion", "lion8bit", "paged_lion8bit"):
            assert group["eps"] == 1e-5
        assert group.get("momentum", 0.8) == 0.8
    if name == "adafactor":
        assert not made.defaults["relative_step"] and not made.defaults["scale_parameter"]
    for each in weights:
        each.grad = torch.ones_like(each)
    made.step()
    states = made.state[weights[1]].values()
    moments = [value for value in states if torch.is_tensor(value) and value.numel() >= 8192]
    assert all(moment.element_size() * 8 == bits for moment in moments)
    assert moments or name == "adafactor"


def test_the_text_encoder_is_another_group_with_its_rate(tiny: Path, photos: Path) -> None:
    from dreamboot_trainer.families import family_of
    from dreamboot_trainer.methods import methods
    from dreamboot_trainer.model_folder import read_folder
    from dreamboot_trainer.pipeline import load

    folder = read_folder(tiny)
    config = configure(tiny, photos, train_text_encoder=True)
    trainable = methods()["full"].attach(load(family_of(folder), folder, None, torch.device("cpu")), config)
    groups = trainable.groups(2.0, 3.0)
    assert [group["lr"] for group in groups] == [2.0, 3.0]
    assert {id(p) for p in groups[1]["params"]} == {id(p) for p in trainable.encoders.parameters()}
    assert {id(p) for p in groups[0]["params"]} == {id(p) for p in trainable.denoiser.parameters()}
