"""SD 3.x and FLUX.1: weights of four bits, parts that take turns, and what is said before a run."""

# ruff: noqa: E402 - the imports need torch, which not every environment has

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("diffusers")
pytest.importorskip("peft")

from safetensors.torch import load_file, save_file

from dreamboot_trainer import noise, pipeline
from dreamboot_trainer.check import check
from dreamboot_trainer.model_folder import read_folder
from support.tiny_flow import loaded
from support.training import configure, train

pytestmark = pytest.mark.trainer
NAMES = ["flux", "sd3"]


@pytest.mark.parametrize("name", NAMES)
def test_t5_and_the_denoiser_take_turns_on_a_card(flow_folders, name, monkeypatch):
    """Together they would need more memory than a step. Where they are is told by what is asked of them."""
    model = loaded(flow_folders[name])
    t5, moves = model.text.encoders[-1], []
    clips = [("CLIP", encoder) for encoder in model.text.encoders[:-1]]
    for part, module in (("T5", t5), ("denoiser", model.denoiser), *clips):
        monkeypatch.setattr(module, "to", lambda device, part=part: moves.append((part, device.type)))
    model.device = torch.device("cuda")
    with model._turn():
        assert moves == [("denoiser", "cpu"), ("T5", "cuda")]
    assert moves[2:] == [("T5", "cpu"), ("denoiser", "cuda")]
    moves.clear()
    monkeypatch.setattr(model.vae, "to", lambda device: moves.append(("VAE", device.type)))
    with model.awake():
        assert ("CLIP", "cuda") in moves
        assert ("T5", "cuda") not in moves
    without = loaded(flow_folders["sd3 without T5"])
    assert without._large() == []


@pytest.mark.parametrize("name", NAMES)
def test_a_prompt_is_read_by_t5_once(flow_folders, name):
    model, calls = loaded(flow_folders[name]), []
    model.text.encoders[-1].register_forward_hook(lambda *_: calls.append(1))
    first = model.embed(["a dog"])
    assert all(torch.equal(first[key], rows) for key, rows in model.embed(["a dog"]).items())
    assert len(calls) == 1
    assert not all(torch.equal(first[key], rows) for key, rows in model.embed(["a cat"]).items())
    assert len(calls) == 2


@pytest.mark.parametrize("name", NAMES)
def test_weights_of_four_bits_answer_nearly_the_same_and_stay(flow_folders, name):
    pytest.importorskip("bitsandbytes")
    import bitsandbytes

    full, small = loaded(flow_folders[name]), loaded(flow_folders[name], base=pipeline.Base(nf4=True))
    layers = [part for part in small.denoiser.modules() if isinstance(part, bitsandbytes.nn.Linear4bit)]
    assert len(layers) > 10
    assert all(layer.weight.dtype is torch.uint8 and not layer.weight.requires_grad for layer in layers)
    frozen = [
        e
        for n, e in zip(small.family.text_encoders, small.text.encoders, strict=True)
        if n in small.family.never_trained
    ]
    assert any(isinstance(part, bitsandbytes.nn.Linear4bit) for e in frozen for part in e.modules())
    start = noise.gaussian((2, 4, 8, 8), "nf4")
    share = torch.tensor([0.3, 0.8])
    for one, other in ((full, full), (full, small)):
        words = [
            {key: rows.expand(2, *rows.shape[1:]) for key, rows in m.embed(["a dog"]).items()} for m in (one, other)
        ]
        for key in words[0]:
            assert (words[0][key] - words[1][key]).norm() <= 0.2 * words[0][key].norm()
        with torch.no_grad():
            answers = [
                m.family.denoise.predict(m.denoiser, start, share, words[0], torch.zeros(2, 6)) for m in (one, other)
            ]
        error = (answers[0] - answers[1]).norm() / answers[0].norm()
        assert error <= (0.2 if other is small else 0)
    assert error > 0


def test_training_leaves_the_four_bits_alone(flow_folders, photos, tmp_path, monkeypatch):
    pytest.importorskip("bitsandbytes")
    from dreamboot_trainer.stages import prepare

    seen = []

    def load(*args, **options):
        seen.append(pipeline.load(*args, **options))
        return seen[-1]

    monkeypatch.setattr(prepare, "load", load)
    train(
        configure(flow_folders["flux"], photos, method="lora", base_precision="nf4", max_train_steps=3),
        tmp_path / "run",
    )
    fresh = loaded(flow_folders["flux"], base=pipeline.Base(nf4=True)).denoiser.state_dict()
    trained = {name.replace(".base_layer", ""): tensor for name, tensor in seen[0].denoiser.state_dict().items()}
    packed = [name for name, tensor in fresh.items() if tensor.dtype is torch.uint8 and name.endswith(".weight")]
    assert packed
    assert all(torch.equal(fresh[name], trained[name]) for name in packed)


def test_where_four_bits_do_not_work_it_is_said(flow_folders, photos, tmp_path, monkeypatch):
    from dreamboot_trainer.problems import TrainerError
    from dreamboot_trainer.quantize import require_nf4

    with pytest.raises(TrainerError) as caught:
        require_nf4(torch.device("xpu"), torch.float32)
    assert caught.value.problem.id == "nf4-not-available"
    assert "base_precision=auto" in caught.value.problem.hint
    import sys

    monkeypatch.setitem(sys.modules, "bitsandbytes", None)
    config = configure(flow_folders["sd3"], photos, method="lora", base_precision="nf4")
    with pytest.raises(TrainerError) as caught:
        train(config, tmp_path / "run")
    assert caught.value.problem.id == "nf4-not-available"


def test_dora_on_four_bits(flow_folders, photos, tmp_path):
    pytest.importorskip("bitsandbytes")
    config = configure(
        flow_folders["flux"], photos, method="lora", use_dora=True, base_precision="nf4", max_train_steps=2
    )
    train(config, tmp_path / "run")
    saved = load_file(tmp_path / "run" / "model" / "pytorch_lora_weights.safetensors")
    assert any("magnitude" in name for name in saved)


def test_room_is_asked_for_an_adapter_and_not_for_the_model(flow_folders, photos):
    from dreamboot_trainer.checks.space import adapter_parameters

    folder = read_folder(flow_folders["flux"])
    config = configure(flow_folders["flux"], photos, method="lora", lora_rank=2)
    model = loaded(flow_folders["flux"])
    from dreamboot_trainer.methods import methods

    exact = sum(weight.numel() for weight in methods()["lora"].attach(model, config).trained().values())
    assert exact <= adapter_parameters(config, folder, model.family) <= 5 * exact


@pytest.mark.parametrize(
    ("name", "options", "problem", "hint"),
    [
        ("flux", {}, "method-not-for-family", "method=lora"),
        ("sd3", {}, "method-not-for-family", "method=lora"),
        ("sd3", {"method": "lora", "attention": "naive"}, "attention-not-for-family", "attention=auto"),
        ("flux", {"method": "lora", "resolution": 72}, "config-wrong-value", "resolution=64"),
        ("sd3", {"method": "lora", "resolution": 512}, "config-wrong-value", "resolution=256"),
        (
            "sd3",
            {"method": "lora", "resolution": 256, "aspect_ratio_buckets": True},
            "config-wrong-value",
            "resolution=192",
        ),
        (
            "flux",
            {"method": "lora", "use_dora": True, "save_original": True},
            "config-wrong-value",
            "save_original=false",
        ),
        ("sd1", {"timestep_sampling": "uniform"}, "config-wrong-value", "timestep_sampling=auto"),
        ("sd1", {"timestep_shift": 2}, "config-wrong-value", "timestep_shift=0"),
        ("sd1", {"base_precision": "nf4"}, "config-wrong-value", "method=lora"),
    ],
)
def test_what_does_not_fit_the_family_is_said_before(
    flow_folders, tiny, photos, tmp_path, name, options, problem, hint
):
    report = check(configure({**flow_folders, "sd1": tiny}[name], photos, **options), tmp_path)
    assert [found.id for found in report.problems] == [problem]
    assert hint in report.problems[0].hint
    words = report.problems[0].hint.removeprefix("--set ").split("=")
    assert not check(
        configure({**flow_folders, "sd1": tiny}[name], photos, **options | {words[0]: words[1]}), tmp_path
    ).problems


@pytest.mark.parametrize("strange", ["192", -1, None, 0, [3]])
def test_a_strange_number_of_positions_is_no_limit(flow_folders, photos, tmp_path, strange):
    model = Path(shutil.copytree(flow_folders["sd3"], tmp_path / "model"))
    config = json.loads((model / "transformer" / "config.json").read_text())
    (model / "transformer" / "config.json").write_text(json.dumps(config | {"pos_embed_max_size": strange}))
    assert not check(configure(model, photos, method="lora", resolution=512), tmp_path).problems


@pytest.mark.parametrize(("side", "right"), [(512, 256), (72, 64)])
def test_a_picture_of_a_size_that_the_network_does_not_take_is_said_before(
    flow_folders, photos, tmp_path, capsys, side, right
):
    from dreamboot_trainer.cli import main

    model = ["--pretrained_model_name_or_path", str(flow_folders["sd3"]), "--instance_data_dir", str(photos)]
    call = ["sample", *model, "--instance_prompt", "a dog", "--output_dir", str(tmp_path), "--out", str(tmp_path / "a")]
    assert main([*call, "--resolution", str(side)]) == 1
    assert f"--set resolution={right}" in capsys.readouterr().err
    assert not (tmp_path / "a").exists()


def test_advice_on_guidance_and_memory(flow_folders, photos, tmp_path):
    config = configure(flow_folders["flux"], photos, method="lora", num_validation_images=1, guidance_scale=7.5)
    notes = "\n".join(check(config, tmp_path).notes)
    assert "guidance_scale is 7.5; 3.5 is usual for FLUX.1" in notes
    assert "--base_precision nf4" in notes
    assert "leaves T5 out" in "\n".join(
        check(configure(flow_folders["sd3 without T5"], photos, method="lora"), tmp_path).notes
    )


def test_a_model_without_its_parts_is_named(flow_folders, photos, tmp_path):
    broken = shutil.copytree(flow_folders["flux"], tmp_path / "broken")
    shutil.rmtree(broken / "text_encoder_2")
    found = check(configure(broken, photos, method="lora"), tmp_path).problems
    assert [problem.id for problem in found] == ["model-without-text-encoder-2"]


@pytest.mark.parametrize("name", NAMES)
def test_the_whole_model_has_no_other_layout_here(flow_folders, tmp_path, name):
    from dreamboot_trainer.convert import convert
    from dreamboot_trainer.problems import TrainerError

    with pytest.raises(TrainerError) as caught:
        convert(flow_folders[name], tmp_path / "model.safetensors")
    assert caught.value.problem.id == "convert-unsupported-config"
    assert "Transformer2DModel" in caught.value.problem.cause


@pytest.mark.parametrize(
    ("tensor", "title"),
    [
        ("double_blocks.0.img_attn.qkv.weight", "FLUX.1"),
        ("model.diffusion_model.double_blocks.0.img_attn.qkv.weight", "FLUX.1"),
        ("model.diffusion_model.joint_blocks.0.x_block.attn.qkv.weight", "Stable Diffusion 3"),
    ],
)
def test_a_single_file_is_known_and_the_folder_asked_for(photos, tmp_path, tensor, title):
    from dreamboot_trainer.convert import detect
    from dreamboot_trainer.problems import TrainerError

    file = tmp_path / "model.safetensors"
    save_file({tensor: torch.zeros(2, 2)}, file)
    found = check(configure(file, photos, method="lora"), tmp_path).problems
    assert [problem.id for problem in found] == ["model-single-file-not-read"]
    assert title in found[0].what
    with pytest.raises(TrainerError) as caught:
        detect(file)
    assert caught.value.problem.id == "model-single-file-not-read"
