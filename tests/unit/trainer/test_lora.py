"""LoRA and DoRA: trained, saved, gone on with, exported, and what rests in half precision."""

# ruff: noqa: E402 - the imports need torch, which not every environment has

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from safetensors.torch import load_file

from dreamboot_trainer.problems import Interrupted
from support.training import configure, losses, train

pytestmark = pytest.mark.trainer


@pytest.mark.parametrize(
    "changes", [{}, {"use_dora": True}, {"train_text_encoder": True, "lora_alpha": 8.0}, {"lora_dropout": 0.5}]
)
def test_lora_trains_saves_and_loads_again(
    tiny: Path, photos: Path, tmp_path: Path, changes: dict[str, object]
) -> None:
    from diffusers import StableDiffusionPipeline

    run = tmp_path / "run"
    config = configure(tiny, photos, method="lora", lora_rank=4, save_precision="fp32", learning_rate=1e-2, **changes)
    events = train(config, run)
    started = next(r["data"] for r in events if r["event"] == "started" and r["stage"] == "train")
    assert started["trainable_parameters"] < 100_000
    assert [path.name for path in (run / "model").iterdir()] == ["pytorch_lora_weights.safetensors"]
    adapted = _pipeline_with(tiny, run / "model")
    pipeline = StableDiffusionPipeline.from_pretrained(tiny, safety_checker=None, feature_extractor=None)
    before = _answer(pipeline.unet)
    pipeline.load_lora_weights(run / "model")
    after = _answer(pipeline.unet)
    assert not torch.allclose(before, after, atol=1e-4)
    assert torch.allclose(after, _answer(adapted.denoiser), atol=1e-5)


def _pipeline_with(model: Path, adapter: Path) -> Any:
    from dreamboot_trainer import pipeline
    from dreamboot_trainer.families import family_of
    from dreamboot_trainer.methods import methods
    from dreamboot_trainer.model_folder import read_folder

    folder = read_folder(model)
    loaded = pipeline.load(family_of(folder), folder, None, torch.device("cpu"), adapters=True)
    methods()["lora"].load(loaded, adapter)
    return loaded


def _answer(unet: Any) -> Any:
    inputs = torch.linspace(-1, 1, 4 * 64).reshape(1, 4, 8, 8)
    with torch.no_grad():
        return unet.eval()(inputs, torch.tensor([500]), torch.linspace(-1, 1, 77 * 32).reshape(1, 77, 32)).sample


def test_lora_goes_on_exactly_with_dropout(
    tiny: Path, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from dreamboot_trainer import loop
    from dreamboot_trainer.interrupts import Interrupts

    config = configure(tiny, photos, method="lora", lora_rank=2, lora_dropout=0.5, max_train_steps=4)
    whole = losses(train(config, tmp_path / "whole"))
    original = loop._optimizer_step

    def interrupted(context: Any, training: Any, index: int) -> Any:
        assert isinstance(context.interrupts, Interrupts)
        context.interrupts.requested = index == 1
        return original(context, training, index)

    monkeypatch.setattr(loop, "_optimizer_step", interrupted)
    with pytest.raises(Interrupted):
        train(config, tmp_path / "halves")
    monkeypatch.undo()
    torch.rand(7)  # whatever else drew from the global generator must not matter
    assert losses(train(config, tmp_path / "halves")) == whole


def test_lora_exports_for_other_programs(tiny: Path, photos: Path, tmp_path: Path) -> None:
    train(configure(tiny, photos, method="lora", save_original=True), tmp_path / "run")
    names = list(load_file(tmp_path / "run" / "model.safetensors"))
    assert all(name.startswith("lora_unet_") for name in names)


def test_lora_holds_the_frozen_network_in_half_precision(
    tiny: Path, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from dreamboot_trainer.methods import lora

    seen: dict[str, set[Any]] = {}
    save = lora.save

    def spying(pipeline: Any, config: Any, weights: Any, out: Path) -> None:
        for name, parameter in pipeline.denoiser.named_parameters():
            seen.setdefault("adapter" if "lora_" in name else "base", set()).add(parameter.dtype)
        save(pipeline, config, weights, out)

    monkeypatch.setattr(lora, "save", spying)
    exact = losses(train(configure(tiny, photos, method="lora"), tmp_path / "a"))
    assert seen.pop("base") == {torch.float32}
    settings = {"mixed_precision": "bf16", "train_text_encoder": False}
    half = losses(train(configure(tiny, photos, method="lora", **settings), tmp_path / "b"))
    assert seen == {"adapter": {torch.float32}, "base": {torch.bfloat16}}
    assert list(half.values()) == pytest.approx(list(exact.values()), rel=0.05)


def test_rank_strength_and_dropout_are_those_of_the_settings(tiny: Path, photos: Path, tmp_path: Path) -> None:
    """In the layers that are trained, in the file, and in what the file says of itself."""
    import json

    from peft.tuners.lora import LoraLayer
    from safetensors import safe_open

    from dreamboot_trainer.families import family_of
    from dreamboot_trainer.methods import methods
    from dreamboot_trainer.model_folder import read_folder
    from dreamboot_trainer.pipeline import load

    settings = {"lora_rank": 3, "lora_alpha": 12, "lora_dropout": 0.25, "train_text_encoder": True}
    config = configure(tiny, photos, method="lora", max_train_steps=1, with_prior_preservation=False, **settings)
    folder, lora = read_folder(tiny), methods()["lora"]
    loaded = load(family_of(folder), folder, None, torch.device("cpu"), adapters=True)
    trainable = lora.attach(loaded, config)
    for part in (trainable.denoiser, *trainable.encoders):
        layers = [module for module in part.modules() if isinstance(module, LoraLayer)]
        assert layers
        for layer in layers:
            assert (layer.r["default"], layer.scaling["default"]) == (3, 12 / 3)
            assert layer.lora_dropout["default"].p == 0.25
            assert not layer.use_dora["default"]
    assert all("lora_" in name for name in trainable.trained())
    lora.save(loaded, config, lora.weights(loaded, config, keep=True), tmp_path / "out")
    with safe_open(tmp_path / "out" / lora.FILE, framework="pt") as file:
        facts = json.loads(file.metadata()["lora_adapter_metadata"])
        shapes = {name: file.get_tensor(name).shape for name in file.keys()}  # noqa: SIM118 - no mapping
    assert (facts["unet.r"], facts["unet.lora_alpha"], facts["text_encoder.lora_alpha"]) == (3, 12, 12)
    assert {shape[0] for name, shape in shapes.items() if "lora_A" in name} == {3}
    assert {name.partition(".")[0] for name in shapes} == {"unet", "text_encoder"}


@pytest.mark.parametrize("part", ["unet", "text_encoder"])
def test_both_adapters_learn(tiny: Path, photos: Path, tmp_path: Path, part: str) -> None:
    """Each adapter begins as nothing: its second factor is zero until a gradient has reached it."""
    settings = {"method": "lora", "train_text_encoder": True, "max_train_steps": 1, "with_prior_preservation": False}
    train(configure(tiny, photos, **settings), tmp_path / "run")
    saved = load_file(tmp_path / "run" / "model" / "pytorch_lora_weights.safetensors")
    second = [tensor for name, tensor in saved.items() if name.startswith(part) and "lora_B" in name]
    assert second
    assert all(tensor.abs().max() > 0 for tensor in second)
