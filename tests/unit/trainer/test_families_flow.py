"""SD 3.x and FLUX.1: the objective against the paper's, sampling and results against diffusers, 4-bit weights."""

# ruff: noqa: E402 - the imports need torch, which not every environment has

from __future__ import annotations

import math
import shutil
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("diffusers")
pytest.importorskip("peft")

from safetensors.torch import load_file, save_file

from dreamboot_trainer import noise, pipeline
from dreamboot_trainer.check import check
from dreamboot_trainer.data.batches import Batches
from dreamboot_trainer.data.items import Item
from dreamboot_trainer.data.order import Layout, Order
from dreamboot_trainer.data.sources import Cached, Encoded
from dreamboot_trainer.families import Levels, families, family_of
from dreamboot_trainer.model_folder import read_folder
from support.tiny_flow import build_flux, build_sd3
from support.training import configure, losses, train

pytestmark = pytest.mark.trainer
NAMES = ["flux", "sd3"]
CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """A miniature of each family, and each in its other form."""
    place = tmp_path_factory.mktemp("flow")
    return {
        "sd3": build_sd3(place / "sd3"),
        "flux": build_flux(place / "flux"),
        "sd3 without T5": build_sd3(place / "small", t5=False),
        "schnell": build_flux(place / "schnell", guidance=False),
    }


def loaded(folder, **options):
    model = read_folder(folder)
    return pipeline.load(family_of(model), model, None, CPU, adapters=True, **options)


def drawn_by_diffusers(folder, prompt, start, *, lora=None, guidance=4.0, steps=3):
    """The latents that diffusers' own pipeline ends at."""
    from diffusers import DiffusionPipeline

    without = read_folder(folder).class_name.startswith("StableDiffusion3") and not (folder / "text_encoder_3").is_dir()
    missing = {"text_encoder_3": None, "tokenizer_3": None} if without else {}
    theirs = DiffusionPipeline.from_pretrained(folder, **missing)
    theirs.set_progress_bar_config(disable=True)
    if lora is not None:
        theirs.load_lora_weights(str(lora))
    flux = type(theirs).__name__ == "FluxPipeline"
    latents = theirs._pack_latents(start, 1, *start.shape[1:]) if flux else start.clone()
    more = {} if flux else {"negative_prompt": "blurry"}
    found = theirs(
        prompt, num_inference_steps=steps, guidance_scale=guidance, height=64, width=64, latents=latents,
        output_type="latent", **more,
    ).images  # fmt: skip
    return theirs._unpack_latents(found, 64, 64, theirs.vae_scale_factor) if flux else found


def drawn_by_us(model, prompt, start, *, guidance=4.0, steps=3):
    family = model.family
    with torch.no_grad():
        return family.sample.denoise(
            lambda *inputs: family.denoise.predict(model.denoiser, *inputs),
            model.schedule,
            start,
            model.embed([prompt]),
            model.embed(["blurry"]),
            torch.zeros(1, 6),
            guidance,
            steps,
        )


@pytest.mark.parametrize("name", ["flux", "sd3", "sd3 without T5", "schnell"])
def test_our_sampling_is_that_of_diffusers(folders, name):
    model = loaded(folders[name])
    start = noise.gaussian((4, 8, 8), "sample", 5)[None]
    expected = drawn_by_diffusers(folders[name], "a dog", start)
    assert torch.allclose(drawn_by_us(model, "a dog", start), expected, atol=2e-4)


@pytest.mark.parametrize("name", NAMES)
def test_guidance_changes_the_picture(folders, name):
    model, start = loaded(folders[name]), noise.gaussian((4, 8, 8), "g")[None]
    assert not torch.allclose(drawn_by_us(model, "a dog", start), drawn_by_us(model, "a dog", start, guidance=1.0))


def batches(model, **options):
    """Batches over two made-up photos."""
    views = [
        (Encoded(noise.gaussian((4, 8, 8), "photo", i), torch.zeros(4, 8, 8), (64, 64, 0, 0, 64, 64)),) for i in (0, 1)
    ]
    items = [Item(path=Path(f"{i}.png"), prompt="a dog") for i in (0, 1)]
    return views, Batches(
        family=model.family, schedule=model.schedule, instance=Cached(items, views), prior=None,
        text=model.embed(["a dog"]), rows={"a dog": 0}, layout=Layout(batch=2, accumulation=1, processes=1), seed=0,
        device=CPU, **options,
    )  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_the_objective_is_conditional_flow_matching(folders, name):
    """Written again from Esser et al. 2024, equations 8 and 13: z = (1 - t) x + t e, and || v(z, t) - (e - x) ||^2."""
    from dreamboot_trainer import losses as objective
    from dreamboot_trainer.trainable import Trainable

    model = loaded(folders[name])
    views, source = batches(model)
    (batch,) = source.at(0, 0, 0)
    trainable = Trainable(model.family, model.denoiser)
    weight = next(w for n, w in model.denoiser.named_parameters() if n.endswith("0.attn.to_q.weight"))
    weight.requires_grad_(requires_grad=True)
    answer = trainable(batch.noisy, batch.timesteps, batch.text, batch.sizes)
    mine = objective.combine(objective.per_sample(answer, batch.target, batch.weights), 2, 1.0).total
    (gradient,) = torch.autograd.grad(mine, weight)

    total = 0.0
    for row, t in enumerate(batch.timesteps):
        x = views[Order(seed=0, stream="instance", count=2).at(row)][0].mean
        e = noise.gaussian((4, 8, 8), 0, "instance", row, "noise")
        z = ((1 - t) * x + t * e)[None]
        text = {key: value[row : row + 1] for key, value in batch.text.items()}
        total = total + ((velocity(name, model.denoiser, z, t[None], text) - (e - x)) ** 2).mean() / 2
    (expected,) = torch.autograd.grad(total, weight)
    assert mine.item() == pytest.approx(total.item(), rel=1e-4)
    assert torch.allclose(gradient, expected, rtol=1e-3, atol=1e-6)


def velocity(name, network, z, t, text):
    """A call of the network as diffusers' pipelines make it."""
    if name == "sd3":
        return network(z, text["hidden"], text["pooled"], t * 1000, return_dict=False)[0]
    from diffusers import FluxPipeline

    ids = FluxPipeline._prepare_latent_image_ids(1, 4, 4, CPU, torch.float32)
    packed = network(
        hidden_states=FluxPipeline._pack_latents(z, 1, 4, 8, 8), timestep=t, guidance=torch.ones(1),
        encoder_hidden_states=text["hidden"], pooled_projections=text["pooled"], img_ids=ids,
        txt_ids=torch.zeros(text["hidden"].shape[1], 3), return_dict=False,
    )[0]  # fmt: skip
    return FluxPipeline._unpack_latents(packed, 64, 64, 8)


def shares(folder, levels=None, shape=(16, 128, 128), count=4000):
    model = read_folder(folder)
    family = family_of(model)
    schedule = family.load.noise_schedule(model)
    return torch.tensor([family.denoise.timestep(schedule, levels or Levels(), shape, "t", i) for i in range(count)])


def unshifted(found, shift):
    return found / (shift - (shift - 1) * found)


def test_sd3_draws_shares_logit_normally_and_shifts_them_by_three(folders):
    """Section 3.1 and 5.3.2 of the paper: pi(t; m = 0, s = 1), then t = a t' / (1 + (a - 1) t') with a = 3."""
    normal = torch.logit(unshifted(shares(folders["sd3"]), 3.0))
    assert normal.mean().item() == pytest.approx(0.0, abs=0.06)
    assert normal.std().item() == pytest.approx(1.0, abs=0.05)


def test_flux_draws_shares_evenly_and_shifts_them_by_the_size(folders):
    """1024 pixels are 4096 tokens: mu = 1.15; 256 pixels are 256 tokens: mu = 0.5 (flux/sampling.py)."""
    for side, mu in ((128, 1.15), (32, 0.5)):
        even = unshifted(shares(folders["flux"], shape=(16, side, side)), math.exp(mu))
        assert torch.histc(even, 4, 0, 1).tolist() == pytest.approx([1000] * 4, rel=0.1)
    even = shares(folders["schnell"])
    assert torch.histc(even, 4, 0, 1).tolist() == pytest.approx([1000] * 4, rel=0.1)


def test_the_way_of_drawing_can_be_chosen(folders):
    even = shares(folders["sd3"], Levels(sampling="uniform", shift=1.0))
    assert torch.histc(even, 4, 0, 1).tolist() == pytest.approx([1000] * 4, rel=0.1)
    normal = torch.logit(unshifted(shares(folders["flux"], Levels(sampling="logit_normal", shift=2.0)), 2.0))
    assert normal.std().item() == pytest.approx(1.0, abs=0.05)


@pytest.mark.parametrize("name", NAMES)
def test_min_snr_weighs_the_error_of_the_picture(folders, name):
    """x = z - t v, so an error d of v is t d in x; the weight on that squared error is min(SNR, gamma)."""
    family = family_of(read_folder(folders[name]))
    for share in (0.1, 0.5, 0.9):
        ratio = ((1 - share) / share) ** 2
        found = family.denoise.weights(None, torch.tensor([share]), 5.0).item()
        assert found == pytest.approx(min(ratio, 5.0) * share**2, rel=1e-5)


@pytest.mark.parametrize("name", NAMES)
def test_a_few_photos_are_learnt(folders, photos, tmp_path, name):
    """The same noise and levels, before and after: only the adapter differs."""
    from dreamboot_trainer import losses as objective
    from dreamboot_trainer.methods import methods

    config = configure(
        folders[name], photos, method="lora", with_prior_preservation=False, max_train_steps=50, learning_rate=1e-2
    )
    train(config, tmp_path / "run")
    model = loaded(folders[name])
    batch = seen(model, photos)

    def loss():
        with torch.no_grad():
            answer = model.family.denoise.predict(
                model.denoiser, batch.noisy, batch.timesteps, batch.text, batch.sizes, 1.0
            )
        return objective.per_sample(answer, batch.target).mean().item()

    before = loss()
    methods()["lora"].load(model, tmp_path / "run" / "model")
    assert loss() < 0.95 * before


def seen(model, photos):
    """A large batch over the photos that were trained on."""
    from dreamboot_trainer.data.sources import encode_views

    items = [Item(path=path, prompt="a photo of sks dog") for path in sorted(photos.glob("*.png"))]
    views = [encode_views(item, model.encode, ((64, 64),), hflip=False) for item in items]
    source = Batches(
        family=model.family, schedule=model.schedule, instance=Cached(items, views), prior=None,
        text=model.embed([items[0].prompt]), rows={items[0].prompt: 0},
        layout=Layout(batch=48, accumulation=1, processes=1), seed=99, device=CPU,
    )  # fmt: skip
    return source.at(0, 0, 0)[0]


@pytest.mark.parametrize("precision", ["auto", "nf4"])
@pytest.mark.parametrize("name", NAMES)
def test_a_stopped_run_goes_on_bit_for_bit(folders, photos, tmp_path, name, precision):
    """With samples in between: they must not change what follows."""
    run, copy = tmp_path / "run", tmp_path / "copy"
    options = {
        "method": "lora", "base_precision": precision, "checkpointing_steps": 2, "checkpoints_total_limit": 0,
        "num_validation_images": 1, "validation_steps": 1, "train_text_encoder": precision == "auto",
    }  # fmt: skip
    config = configure(folders[name], photos, **options)
    whole = losses(train(config, run))
    shutil.copytree(run, copy)
    shutil.rmtree(copy / "checkpoints" / "step-000004")
    (copy / "events.jsonl").unlink()
    assert losses(train(config, copy)) == {step: whole[step] for step in (3, 4)}
    results = [load_file(place / "model" / "pytorch_lora_weights.safetensors") for place in (run, copy)]
    assert all(torch.equal(results[0][key], results[1][key]) for key in results[0])


@pytest.mark.parametrize("precision", ["auto", "nf4"])
@pytest.mark.parametrize("name", NAMES)
def test_diffusers_draws_the_same_with_the_result(folders, photos, tmp_path, name, precision):
    config = configure(
        folders[name], photos, method="lora", learning_rate=1e-2, save_precision="fp32", lora_alpha=8, lora_rank=4,
        train_text_encoder=True, base_precision=precision, save_original=True,
    )  # fmt: skip
    run = tmp_path / "run"
    train(config, run)
    from dreamboot_trainer.convert import lora_to_diffusers
    from dreamboot_trainer.methods import methods

    model, start = loaded(folders[name]), noise.gaussian((4, 8, 8), "sample", 5)[None]
    before = drawn_by_us(model, "a dog", start)
    methods()["lora"].load(model, run / "model")
    mine = drawn_by_us(model, "a dog", start)
    theirs = drawn_by_diffusers(folders[name], "a dog", start, lora=run / "model")
    assert (mine - before).abs().max() > 0.01
    assert torch.allclose(mine, theirs, atol=1e-3)
    lora_to_diffusers(run / "model.safetensors", tmp_path / "back.safetensors")
    back = drawn_by_diffusers(folders[name], "a dog", start, lora=tmp_path / "back.safetensors")
    assert torch.allclose(theirs, back, atol=1e-5)


def test_both_prompts_and_text_caches_agree(folders):
    """What T5 has done beforehand is what it would do in the step."""
    for name in NAMES:
        model = loaded(folders[name])
        settled = model.settled(["a dog", "a red cat"])
        with torch.no_grad():
            late = model.family.text.encode(tuple(model.family.trainable(model.text.encoders).values()), settled)
        early = model.embed(["a dog", "a red cat"])
        assert all(torch.equal(early[key], late[key]) for key in early)


@pytest.mark.parametrize("name", NAMES)
def test_t5_and_the_denoiser_take_turns_on_a_card(folders, name, monkeypatch):
    """Together they would need more memory than a step. Where they are is told by what is asked of them."""
    model = loaded(folders[name])
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
    without = loaded(folders["sd3 without T5"])
    assert without._large() == []


@pytest.mark.parametrize("name", NAMES)
def test_a_prompt_is_read_by_t5_once(folders, name):
    model, calls = loaded(folders[name]), []
    model.text.encoders[-1].register_forward_hook(lambda *_: calls.append(1))
    first = model.embed(["a dog"])
    assert all(torch.equal(first[key], rows) for key, rows in model.embed(["a dog"]).items())
    assert len(calls) == 1
    assert not all(torch.equal(first[key], rows) for key, rows in model.embed(["a cat"]).items())
    assert len(calls) == 2


@pytest.mark.parametrize("name", NAMES)
def test_weights_of_four_bits_answer_nearly_the_same_and_stay(folders, name):
    pytest.importorskip("bitsandbytes")
    import bitsandbytes

    full, small = loaded(folders[name]), loaded(folders[name], base=pipeline.Base(nf4=True))
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


def test_training_leaves_the_four_bits_alone(folders, photos, tmp_path, monkeypatch):
    pytest.importorskip("bitsandbytes")
    from dreamboot_trainer.stages import prepare

    seen = []

    def load(*args, **options):
        seen.append(pipeline.load(*args, **options))
        return seen[-1]

    monkeypatch.setattr(prepare, "load", load)
    train(configure(folders["flux"], photos, method="lora", base_precision="nf4", max_train_steps=3), tmp_path / "run")
    fresh = loaded(folders["flux"], base=pipeline.Base(nf4=True)).denoiser.state_dict()
    trained = {name.replace(".base_layer", ""): tensor for name, tensor in seen[0].denoiser.state_dict().items()}
    packed = [name for name, tensor in fresh.items() if tensor.dtype is torch.uint8 and name.endswith(".weight")]
    assert packed
    assert all(torch.equal(fresh[name], trained[name]) for name in packed)


def test_where_four_bits_do_not_work_it_is_said(folders, photos, tmp_path, monkeypatch):
    from dreamboot_trainer.problems import TrainerError
    from dreamboot_trainer.quantize import require_nf4

    with pytest.raises(TrainerError) as caught:
        require_nf4(torch.device("xpu"), torch.float32)
    assert caught.value.problem.id == "nf4-not-available"
    assert "base_precision=auto" in caught.value.problem.hint
    import sys

    monkeypatch.setitem(sys.modules, "bitsandbytes", None)
    config = configure(folders["sd3"], photos, method="lora", base_precision="nf4")
    with pytest.raises(TrainerError) as caught:
        train(config, tmp_path / "run")
    assert caught.value.problem.id == "nf4-not-available"


@pytest.mark.parametrize(
    ("name", "options", "problem", "hint"),
    [
        ("flux", {}, "method-not-for-family", "method=lora"),
        ("sd3", {}, "method-not-for-family", "method=lora"),
        ("sd3", {"method": "lora", "attention": "naive"}, "attention-not-for-family", "attention=auto"),
        ("flux", {"method": "lora", "resolution": 72}, "config-wrong-value", "resolution=64"),
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
def test_what_does_not_fit_the_family_is_said_before(folders, tiny, photos, tmp_path, name, options, problem, hint):
    report = check(configure({**folders, "sd1": tiny}[name], photos, **options), tmp_path)
    assert [found.id for found in report.problems] == [problem]
    assert hint in report.problems[0].hint
    words = report.problems[0].hint.removeprefix("--set ").split("=")
    assert not check(
        configure({**folders, "sd1": tiny}[name], photos, **options | {words[0]: words[1]}), tmp_path
    ).problems


def test_advice_on_guidance_and_memory(folders, photos, tmp_path):
    config = configure(folders["flux"], photos, method="lora", num_validation_images=1, guidance_scale=7.5)
    notes = "\n".join(check(config, tmp_path).notes)
    assert "guidance_scale is 7.5; 3.5 is usual for FLUX.1" in notes
    assert "--base_precision nf4" in notes
    assert "leaves T5 out" in "\n".join(
        check(configure(folders["sd3 without T5"], photos, method="lora"), tmp_path).notes
    )


def test_a_model_without_its_parts_is_named(folders, photos, tmp_path):
    broken = shutil.copytree(folders["flux"], tmp_path / "broken")
    shutil.rmtree(broken / "text_encoder_2")
    found = check(configure(broken, photos, method="lora"), tmp_path).problems
    assert [problem.id for problem in found] == ["model-without-text-encoder-2"]


@pytest.mark.parametrize("name", ["sd3 without T5", "schnell"])
def test_the_other_forms_train_too(folders, photos, tmp_path, name):
    config = configure(
        folders[name], photos, method="lora", max_train_steps=2, aspect_ratio_buckets=True, pad_tokens=False,
        hflip=True, num_validation_images=1, mixed_precision="bf16",
    )  # fmt: skip
    assert all(math.isfinite(loss) for loss in losses(train(config, tmp_path / "run")).values())


def test_dora_on_four_bits(folders, photos, tmp_path):
    pytest.importorskip("bitsandbytes")
    config = configure(folders["flux"], photos, method="lora", use_dora=True, base_precision="nf4", max_train_steps=2)
    train(config, tmp_path / "run")
    saved = load_file(tmp_path / "run" / "model" / "pytorch_lora_weights.safetensors")
    assert any("magnitude" in name for name in saved)


def test_room_is_asked_for_an_adapter_and_not_for_the_model(folders, photos):
    from dreamboot_trainer.checks.space import adapter_parameters

    folder = read_folder(folders["flux"])
    config = configure(folders["flux"], photos, method="lora", lora_rank=2)
    model = loaded(folders["flux"])
    from dreamboot_trainer.methods import methods

    exact = sum(weight.numel() for weight in methods()["lora"].attach(model, config).trained().values())
    assert exact <= adapter_parameters(config, folder, model.family) <= 5 * exact


def test_only_families_of_flow_matching_say_so():
    assert {family.name for family in families() if family.flow} == set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_the_whole_model_has_no_other_layout_here(folders, tmp_path, name):
    from dreamboot_trainer.convert import convert
    from dreamboot_trainer.problems import TrainerError

    with pytest.raises(TrainerError) as caught:
        convert(folders[name], tmp_path / "model.safetensors")
    assert caught.value.problem.id == "convert-unsupported-config"
    assert "Transformer2DModel" in caught.value.problem.cause


@pytest.mark.parametrize("name", NAMES)
def test_its_recipe_trains_and_the_result_is_drawn(folders, photos, tmp_path, name):
    """By the command line alone, as the documentation has it."""
    from dreamboot_trainer.cli import main

    run = tmp_path / "run"
    run.mkdir()
    (run / "config.toml").write_text("[data]\nresolution = 64\n[training]\nmax_train_steps = 2\n")
    more = [
        "--pretrained_model_name_or_path", str(folders[name]), "--instance_data_dir", str(photos),
        "--instance_prompt", "a photo of sks dog", "--class_prompt", "a photo of a dog", "--num_inference_steps", "2",
        "--num_validation_images", "1", "--device", "cpu",
    ]  # fmt: skip
    call = ["--recipe", name, "--config", str(run / "config.toml"), *more]
    assert main(["train", *call]) == 0
    assert (run / "model.safetensors").is_file()
    assert "lora_unet_" in "".join(load_file(run / "model.safetensors"))
    for out, precision in (("plain.png", "no"), ("half.png", "bf16")):
        assert main(["sample", *call, "--mixed_precision", precision, "--out", str(tmp_path / out)]) == 0
        assert (tmp_path / out).stat().st_size > 1000


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
