"""Predicted memory against what the miniature model really takes, and against published totals of a Tesla T4."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

pytest.importorskip("torch")
pytest.importorskip("diffusers")

from dreamboot_trainer.predict.fit import _with, fit, savings, ways
from dreamboot_trainer.predict.prediction import configs_of, predict
from dreamboot_trainer.predict.request import Request
from dreamboot_trainer.predict.step import record


@pytest.fixture(scope="module")
def configs():
    """A UNet with SD 1.x's blocks and few channels."""
    real = configs_of("sd1")
    unet = {**real["unet"], "block_out_channels": [32, 64, 64, 64], "cross_attention_dim": 32, "norm_num_groups": 16,
            "layers_per_block": 1}  # fmt: skip
    encoder = {**real["text_encoder"], "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2,
               "num_attention_heads": 2, "projection_dim": 32}  # fmt: skip
    vae = {**real["vae"], "block_out_channels": [16, 16, 16, 16], "norm_num_groups": 8}
    return {"unet": unet, "text_encoder": encoder, "vae": vae}


SMALL = Request(family="sd1", resolution=128, mixed_precision="no")


def peak(configs, **changes):
    return sum(record(replace(SMALL, **changes), configs).peak().values())


def weights_of(configs):
    from diffusers import UNet2DConditionModel

    return [tuple(weight.shape) for weight in UNet2DConditionModel.from_config(dict(configs["unet"])).parameters()]


def test_weights_gradients_and_states_are_exact(configs):
    import math

    sizes = [math.prod(shape) for shape in weights_of(configs)]
    parts = record(replace(SMALL, accumulation=2, optimizer="adamw"), configs).peak()
    assert parts["weights"] == pytest.approx(4 * sum(sizes), rel=0.001)
    assert parts["gradients"] == 4 * sum(sizes)
    assert parts["optimizer states"] == 8 * sum(sizes) + 4 * len(sizes)


def test_it_is_what_a_real_step_holds(configs):
    """The same step on real tensors, its allocations counted by the same rule but in the real allocator's numbers."""
    import torch
    from diffusers import UNet2DConditionModel
    from torch.profiler import ProfilerActivity, profile

    unet = UNet2DConditionModel.from_config(dict(configs["unet"])).train()
    noisy, words = torch.randn(2, 4, 16, 16), torch.randn(2, 77, 32)
    held = most = 0
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as seen:
        for _ in range(2):
            unet(noisy, torch.zeros(2, dtype=torch.int64), words).sample.pow(2).mean().backward()
            for weight in unet.parameters():
                weight.grad = None
    for event in sorted(
        (event for event in seen.profiler.kineto_results.events() if event.name() == "[memory]"),
        key=lambda event: event.start_ns(),
    ):
        held += event.nbytes()
        most = max(most, held)
    parts = record(replace(SMALL, optimizer="sgd"), configs).peak()
    there = ("weights", "optimizer states", "prompts")
    predicted = sum(size for part, size in parts.items() if part not in there)
    assert predicted == pytest.approx(most, rel=0.1)


@pytest.mark.parametrize(
    ("less", "more"),
    [
        ({"samples": 1}, {"samples": 4}),
        ({"resolution": 64}, {"resolution": 128}),
        ({"checkpointing": True}, {"checkpointing": False}),
        ({"optimizer": "adamw8bit"}, {"optimizer": "adamw"}),
        ({"accumulation": 1}, {"accumulation": 2}),
        ({"method": "lora"}, {"method": "full"}),
        ({"text_encoder": False}, {"text_encoder": True}),
        ({"ema": False}, {"ema": True}),
        ({"attention": "sdpa"}, {"attention": "naive"}),
        ({"optimizer": "lion8bit"}, {"optimizer": "sgd"}),
        (
            {"optimizer": "adamw", "samples": 1, "checkpointing": True},
            {"optimizer": "adamw", "samples": 1, "checkpointing": True, "implementation": "foreach"},
        ),
        ({"method": "lora"}, {"method": "lora", "dora": True}),
        ({"method": "lora"}, {"method": "lora", "dropout": 0.1}),
        ({"processes": 1}, {"processes": 2}),
        ({"cached": True}, {"cached": False}),
    ],
)
def test_what_should_take_more_takes_more(configs, less, more):
    assert peak(configs, **less) < peak(configs, **more)


def test_the_cheapest_way_that_fits_comes_first(configs):
    wish = replace(SMALL, optimizer="adamw")
    plain = predict(wish, configs).total
    assert fit(wish, configs, plain).settings == {}
    less = fit(wish, configs, plain - 1)
    assert less.settings
    assert less.prediction.total < plain
    assert less.asked.total == plain, "its recording was whole"
    assert fit(wish, configs, 10) is None
    changing = [any(saving.changes for saving in chosen) for chosen in ways(wish)]
    assert changing == sorted(changing)


def test_smaller_photos_are_the_last_resort(configs):
    wish = replace(SMALL, resolution=1024, optimizer="adamw")
    lowered = [any(saving.setting == "resolution" for saving in chosen) for chosen in ways(wish)]
    assert lowered == sorted(lowered)
    others = [chosen for chosen, low in zip(ways(wish), lowered, strict=True) if not low]
    most = [max((w for w in others if ("base" in {s.setting for s in w}) is base), key=len) for base in (False, True)]
    least = min(predict(_with(wish, chosen), configs).total for chosen in most)
    assert fit(wish, configs, least - 1).settings["resolution"] == 512


def test_every_saving_says_its_cost_and_source():
    assert all(saving.slowdown > 0 and saving.why for saving in savings())


@pytest.mark.parametrize(
    ("precision", "pictures", "checkpointing", "published_gb"),
    [("fp16", 1, True, 9.92), ("fp16", 2, False, 13.67)],
)
def test_published_totals_of_a_t4(precision, pictures, checkpointing, published_gb):
    """Two rows of the nine; all of them: benchmarks/predict_memory.py. No constant is fitted to them."""
    wish = Request(
        family="sd1",
        samples=2 * pictures,
        mixed_precision=precision,
        checkpointing=checkpointing,
        optimizer="adamw8bit",
    )
    found = predict(wish, configs_of("sd1"), loading="eager")
    assert found.total * 2**20 / 1e9 == pytest.approx(published_gb, rel=0.06)


def test_the_command_answers_in_json(capsys):
    from dreamboot_trainer.cli import main

    assert main(["predict", "--json", "--resolution", "64", "--gradient_checkpointing", "true"]) == 0
    answer = json.loads(capsys.readouterr().out)
    parts = answer["prediction"]
    assert parts["total"] == sum(parts["parts"].values()) + parts["allocator"] + parts["context"]


@pytest.mark.parametrize(
    ("more", "resolution"), [((), 768), (("--resolution", "64"), 64), (("--set", "resolution=64"), 64)]
)
def test_a_published_family_is_predicted_at_its_own_resolution_unless_told(
    capsys, configs, monkeypatch, more, resolution
):
    from dreamboot_trainer import cli
    from dreamboot_trainer.predict import prediction

    monkeypatch.setattr(prediction, "configs_of", lambda _: configs)
    assert cli.main(["predict", "--json", "--family", "sd2", *more]) == 0
    assert json.loads(capsys.readouterr().out)["request"]["resolution"] == resolution


def test_nothing_fits_is_a_problem(capsys, configs, monkeypatch):
    from dreamboot_trainer import cli
    from dreamboot_trainer.predict import prediction

    monkeypatch.setattr(prediction, "configs_of", lambda _: configs)
    assert cli.main(["predict", "--json", "--vram", "100", "--resolution", "64", "--mixed_precision", "no"]) == 1
    assert "predict-nothing-fits" in capsys.readouterr().out
