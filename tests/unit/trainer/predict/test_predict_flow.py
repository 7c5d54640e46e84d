"""Predicted memory of SD 3 and FLUX.1: the real architectures, 4-bit weights, and what a real step holds."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

pytest.importorskip("torch")
pytest.importorskip("diffusers")

from dreamboot_trainer.families import families
from dreamboot_trainer.predict.as_cuda import as_on_cuda
from dreamboot_trainer.predict.fit import fit, ways
from dreamboot_trainer.predict.loaded import Loaded
from dreamboot_trainer.predict.prediction import configs_of, predict
from dreamboot_trainer.predict.request import Request
from dreamboot_trainer.predict.step import Step, record
from dreamboot_trainer.predict.trace import Recorder

FOUR = ("to_k", "to_q", "to_v", "to_out.0")
SMALL = {"attention_head_dim": 16, "num_attention_heads": 4, "joint_attention_dim": 64}


@pytest.fixture(scope="module")
def configs():
    """The published architectures with few and narrow blocks."""
    flux, sd3 = configs_of("flux"), configs_of("sd3")
    narrow = {**SMALL, "num_layers": 2, "pooled_projection_dim": 32}
    few = {"intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2}
    encoder = {**flux["text_encoder"], **few, "hidden_size": 32, "projection_dim": 32}
    half = {**flux["text_encoder"], **few, "hidden_size": 16, "projection_dim": 16}
    one = {**flux["transformer"], **narrow, "num_single_layers": 2, "axes_dims_rope": [4, 6, 6]}
    other = {**sd3["transformer"], **narrow, "caption_projection_dim": 64, "pos_embed_max_size": 16}
    vae = {**flux["vae"], "block_out_channels": [16, 16, 16, 16], "norm_num_groups": 8}
    return {
        "flux": {"transformer": one, "text_encoder": encoder, "vae": vae},
        "sd3": {"transformer": other, "text_encoder": half, "text_encoder_2": half, "vae": vae},
    }


def small(family, **changes):
    return replace(
        Request(family=family, method="lora", resolution=128, mixed_precision="no", words=32, samples=2), **changes
    )


def peak(configs, family, **changes):
    return sum(record(small(family, **changes), configs[family]).peak().values())


@pytest.mark.parametrize(("name", "base", "weights"), [("flux", "auto", 11_901_408_320), ("sd3", "nf4", None)])
def test_the_published_architecture(name, base, weights):
    """huggingface/blog flux-qlora.md: 11,906,077,760 parameters, 4,669,440 of them of rank 4 on four layers."""
    wish = Request(family=name, method="lora", rank=4, targets=FOUR, mixed_precision="bf16", base=base)
    with as_on_cuda(Recorder()) as recorder:
        loaded = Loaded(wish, configs_of(name), recorder)
        step = Step(loaded)
        trained = sum(weight.numel() for weight in step.trained)
        frozen = sum(weight.numel() for weight in loaded.denoiser.parameters() if not weight.requires_grad)
        held = recorder.trace.peak()["weights"]
    if weights is not None:
        assert (frozen, trained) == (weights, 4_669_440)
        assert held == pytest.approx(2 * weights + 4 * trained, rel=0.001)
    else:
        # 2 billion weights (Esser et al. 2024): most at half a byte and a scale.
        assert 1.0e9 < held < 1.5e9


@pytest.mark.parametrize("name", ["flux", "sd3"])
def test_it_is_what_a_real_step_holds(configs, name):
    """The same step on real tensors with peft's adapters, its allocations counted in the real allocator's numbers."""
    import diffusers
    import torch
    from peft import LoraConfig
    from torch.profiler import ProfilerActivity, profile

    family = next(family for family in families() if family.name == name)
    config = dict(configs[name]["transformer"])
    network = getattr(diffusers, config["_class_name"]).from_config(config).requires_grad_(requires_grad=False)
    network.add_adapter(LoraConfig(r=4, lora_alpha=4, target_modules=list(family.lora_targets)))
    trained = [weight for weight in network.parameters() if weight.requires_grad]
    noisy, share, sizes = torch.randn(2, 16, 16, 16), torch.rand(2), torch.zeros(2, 6)
    text = {"hidden": torch.randn(2, 32, 64), "pooled": torch.randn(2, 32)}
    network.train()
    held = most = 0
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as seen:
        for _ in range(2):
            family.denoise.predict(network, noisy, share, text, sizes).pow(2).mean().backward()
            for weight in trained:
                weight.grad = None
    for event in sorted(
        (event for event in seen.profiler.kineto_results.events() if event.name() == "[memory]"),
        key=lambda event: event.start_ns(),
    ):
        held += event.nbytes()
        most = max(most, held)
    parts = record(small(name, rank=4, optimizer="sgd"), configs[name]).peak()
    there = ("weights", "optimizer states", "prompts")
    assert sum(size for part, size in parts.items() if part not in there) == pytest.approx(most, rel=0.12)


@pytest.mark.parametrize("name", ["flux", "sd3"])
@pytest.mark.parametrize(
    ("less", "more"),
    [
        ({"base": "nf4"}, {"base": "nf4-plain"}),
        ({"base": "nf4-plain"}, {"base": "auto"}),
        ({"checkpointing": True}, {"checkpointing": False}),
        ({"samples": 1}, {"samples": 2}),
        ({"resolution": 64}, {"resolution": 128}),
        ({"words": 8}, {"words": 64}),
        ({"rank": 4}, {"rank": 16}),
        ({"text_encoder": False}, {"text_encoder": True}),
        ({"cached": True}, {"cached": False}),
    ],
)
def test_what_should_take_more_takes_more(configs, name, less, more):
    assert peak(configs, name, **less) < peak(configs, name, **more)


def test_the_whole_network_is_never_there_beside_its_four_bits(configs):
    """Layers are packed one by one on the way to the card."""
    plain, packed = (record(small("flux", base=base), configs["flux"]).peak()["weights"] for base in ("auto", "nf4"))
    assert packed < 0.4 * plain


def test_four_bits_are_offered_where_an_adapter_is_trained(configs):
    wish = small("flux", optimizer="adamw8bit", checkpointing=True)
    plain = predict(wish, configs["flux"]).total
    offered = [{saving.setting for saving in chosen} for chosen in ways(wish)]
    assert {"base"} in offered
    assert all("method" in names for names in ({s.setting for s in chosen} for chosen in ways(
        replace(wish, method="full"))) if "base" in names)  # fmt: skip
    least = fit(wish, configs["flux"], plain)
    assert least.settings == {}


def test_the_row_that_names_every_setting():
    """FLUX.1-dev with NF4 on an RTX 4090: about 9 GB (huggingface/blog flux-qlora.md). No constant is fitted to it."""
    wish = Request(
        family="flux", method="lora", resolution=624, samples=1, mixed_precision="bf16", checkpointing=True,
        optimizer="adamw8bit", rank=4, targets=FOUR, words=77, base="nf4-plain",
    )  # fmt: skip
    assert predict(wish, configs_of("flux")).total * 2**20 / 1e9 == pytest.approx(9.0, rel=0.12)


def test_the_command_reads_the_model_that_is_here(tmp_path, capsys):
    from dreamboot_trainer.cli import main
    from support.tiny_flow import build_flux, build_sd3

    for name, build in (("flux", build_flux), ("sd3", build_sd3)):
        folder = build(tmp_path / name)
        call = ["predict", "--json", "--pretrained_model_name_or_path", str(folder), "--resolution", "64"]
        assert main(call) == 1
        assert "method-not-for-family" in capsys.readouterr().out
        totals = []
        for base in ("auto", "nf4"):
            assert main([*call, "--method", "lora", "--mixed_precision", "no", "--base_precision", base]) == 0
            answer = json.loads(capsys.readouterr().out)
            assert (answer["family"], answer["request"]["base"]) == (name, base)
            totals.append(answer["prediction"]["parts"]["weights"])
        assert totals[1] <= totals[0]
