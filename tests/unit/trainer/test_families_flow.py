"""SD 3.x and FLUX.1: the objective against the paper's, sampling and results against diffusers."""

# ruff: noqa: E402 - the imports need torch, which not every environment has

from __future__ import annotations

import math
import shutil
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("diffusers")
pytest.importorskip("peft")

from safetensors.torch import load_file

from dreamboot_trainer import noise
from dreamboot_trainer.data.batches import Batches
from dreamboot_trainer.data.items import Item
from dreamboot_trainer.data.order import Layout, Order
from dreamboot_trainer.data.sources import Cached, Encoded
from dreamboot_trainer.families import Levels, families, family_of
from dreamboot_trainer.model_folder import read_folder
from support.tiny_flow import loaded
from support.training import configure, losses, train

pytestmark = pytest.mark.trainer
NAMES = ["flux", "sd3"]
CPU = torch.device("cpu")


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
def test_our_sampling_is_that_of_diffusers(flow_folders, name):
    model = loaded(flow_folders[name])
    start = noise.gaussian((4, 8, 8), "sample", 5)[None]
    expected = drawn_by_diffusers(flow_folders[name], "a dog", start)
    assert torch.allclose(drawn_by_us(model, "a dog", start), expected, atol=2e-4)


@pytest.mark.parametrize("name", NAMES)
def test_guidance_changes_the_picture(flow_folders, name):
    model, start = loaded(flow_folders[name]), noise.gaussian((4, 8, 8), "g")[None]
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
def test_the_objective_is_conditional_flow_matching(flow_folders, name):
    """Written again from Esser et al. 2024, equations 8 and 13: z = (1 - t) x + t e, and || v(z, t) - (e - x) ||^2."""
    from dreamboot_trainer import losses as objective
    from dreamboot_trainer.trainable import Trainable

    model = loaded(flow_folders[name])
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


def test_sd3_draws_shares_logit_normally_and_shifts_them_by_three(flow_folders):
    """Section 3.1 and 5.3.2 of the paper: pi(t; m = 0, s = 1), then t = a t' / (1 + (a - 1) t') with a = 3."""
    normal = torch.logit(unshifted(shares(flow_folders["sd3"]), 3.0))
    assert normal.mean().item() == pytest.approx(0.0, abs=0.06)
    assert normal.std().item() == pytest.approx(1.0, abs=0.05)


def test_flux_draws_shares_evenly_and_shifts_them_by_the_size(flow_folders):
    """1024 pixels are 4096 tokens: mu = 1.15; 256 pixels are 256 tokens: mu = 0.5 (flux/sampling.py)."""
    for side, mu in ((128, 1.15), (32, 0.5)):
        even = unshifted(shares(flow_folders["flux"], shape=(16, side, side)), math.exp(mu))
        assert torch.histc(even, 4, 0, 1).tolist() == pytest.approx([1000] * 4, rel=0.1)
    even = shares(flow_folders["schnell"])
    assert torch.histc(even, 4, 0, 1).tolist() == pytest.approx([1000] * 4, rel=0.1)


def test_the_way_of_drawing_can_be_chosen(flow_folders):
    even = shares(flow_folders["sd3"], Levels(sampling="uniform", shift=1.0))
    assert torch.histc(even, 4, 0, 1).tolist() == pytest.approx([1000] * 4, rel=0.1)
    normal = torch.logit(unshifted(shares(flow_folders["flux"], Levels(sampling="logit_normal", shift=2.0)), 2.0))
    assert normal.std().item() == pytest.approx(1.0, abs=0.05)


@pytest.mark.parametrize("name", NAMES)
def test_min_snr_weighs_the_error_of_the_picture(flow_folders, name):
    """x = z - t v, so an error d of v is t d in x; the weight on that squared error is min(SNR, gamma)."""
    family = family_of(read_folder(flow_folders[name]))
    for share in (0.1, 0.5, 0.9):
        ratio = ((1 - share) / share) ** 2
        found = family.denoise.weights(None, torch.tensor([share]), 5.0).item()
        assert found == pytest.approx(min(ratio, 5.0) * share**2, rel=1e-5)


@pytest.mark.parametrize("name", NAMES)
def test_a_few_photos_are_learnt(flow_folders, photos, tmp_path, name):
    """The same noise and levels, before and after: only the adapter differs."""
    from dreamboot_trainer import losses as objective
    from dreamboot_trainer.methods import methods

    config = configure(
        flow_folders[name], photos, method="lora", with_prior_preservation=False, max_train_steps=50, learning_rate=1e-2
    )
    train(config, tmp_path / "run")
    model = loaded(flow_folders[name])
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
def test_a_stopped_run_goes_on_bit_for_bit(flow_folders, photos, tmp_path, name, precision):
    """With samples in between: they must not change what follows."""
    run, copy = tmp_path / "run", tmp_path / "copy"
    options = {
        "method": "lora", "base_precision": precision, "checkpointing_steps": 2, "checkpoints_total_limit": 0,
        "num_validation_images": 1, "validation_steps": 1, "train_text_encoder": precision == "auto",
    }  # fmt: skip
    config = configure(flow_folders[name], photos, **options)
    whole = losses(train(config, run))
    shutil.copytree(run, copy)
    shutil.rmtree(copy / "checkpoints" / "step-000004")
    (copy / "events.jsonl").unlink()
    assert losses(train(config, copy)) == {step: whole[step] for step in (3, 4)}
    results = [load_file(place / "model" / "pytorch_lora_weights.safetensors") for place in (run, copy)]
    assert all(torch.equal(results[0][key], results[1][key]) for key in results[0])


@pytest.mark.parametrize("precision", ["auto", "nf4"])
@pytest.mark.parametrize("name", NAMES)
def test_diffusers_draws_the_same_with_the_result(flow_folders, photos, tmp_path, name, precision):
    config = configure(
        flow_folders[name], photos, method="lora", learning_rate=1e-2, save_precision="fp32", lora_alpha=8, lora_rank=4,
        train_text_encoder=True, base_precision=precision, save_original=True,
    )  # fmt: skip
    run = tmp_path / "run"
    train(config, run)
    from dreamboot_trainer.convert import lora_to_diffusers
    from dreamboot_trainer.methods import methods

    model, start = loaded(flow_folders[name]), noise.gaussian((4, 8, 8), "sample", 5)[None]
    before = drawn_by_us(model, "a dog", start)
    methods()["lora"].load(model, run / "model")
    mine = drawn_by_us(model, "a dog", start)
    theirs = drawn_by_diffusers(flow_folders[name], "a dog", start, lora=run / "model")
    assert (mine - before).abs().max() > 0.01
    assert torch.allclose(mine, theirs, atol=1e-3)
    lora_to_diffusers(run / "model.safetensors", tmp_path / "back.safetensors")
    back = drawn_by_diffusers(flow_folders[name], "a dog", start, lora=tmp_path / "back.safetensors")
    assert torch.allclose(theirs, back, atol=1e-5)


def test_both_prompts_and_text_caches_agree(flow_folders):
    """What T5 has done beforehand is what it would do in the step."""
    for name in NAMES:
        model = loaded(flow_folders[name])
        settled = model.settled(["a dog", "a red cat"])
        with torch.no_grad():
            late = model.family.text.encode(tuple(model.family.trainable(model.text.encoders).values()), settled)
        early = model.embed(["a dog", "a red cat"])
        assert all(torch.equal(early[key], late[key]) for key in early)


@pytest.mark.parametrize("name", ["sd3 without T5", "schnell"])
def test_the_other_forms_train_too(flow_folders, photos, tmp_path, name):
    config = configure(
        flow_folders[name], photos, method="lora", max_train_steps=2, aspect_ratio_buckets=True, pad_tokens=False,
        hflip=True, num_validation_images=1, mixed_precision="bf16",
    )  # fmt: skip
    assert all(math.isfinite(loss) for loss in losses(train(config, tmp_path / "run")).values())


def test_only_families_of_flow_matching_say_so():
    assert {family.name for family in families() if family.flow} == set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_its_recipe_trains_and_the_result_is_drawn(flow_folders, photos, tmp_path, name):
    """By the command line alone, as the documentation has it."""
    from dreamboot_trainer.cli import main

    run = tmp_path / "run"
    run.mkdir()
    (run / "config.toml").write_text("")
    # A recipe wins over the file, and the call over both: a miniature has no room for the recipe's 512 pixels.
    more = [
        "--resolution", "64", "--max_train_steps", "2",
        "--pretrained_model_name_or_path", str(flow_folders[name]), "--instance_data_dir", str(photos),
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
