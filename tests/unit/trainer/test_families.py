"""Every family through the same tests: it is recognised, trains, goes on, is saved and loaded by diffusers."""

# ruff: noqa: E402 - the imports need torch, which not every environment has

from __future__ import annotations

import inspect
from collections.abc import Callable
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")

from dreamboot_trainer.families import families, family_of
from dreamboot_trainer.model_folder import read_folder
from support.tiny_flow import build_flux, build_sd3
from support.tiny_sd import build_sd1, build_sdxl
from support.training import configure, losses, train

pytestmark = pytest.mark.trainer

BUILDERS: dict[str, Callable[[Path], Path]] = {
    "sd1": build_sd1,
    "sd2": lambda folder: build_sd1(folder, v_prediction=True, linear=True),
    "sdxl": build_sdxl,
    "sd3": build_sd3,
    "flux": build_flux,
}
NAMES = sorted(BUILDERS)
WHOLE = ["sd1", "sd2", "sdxl"]
WAYS = [(name, method) for name in NAMES for method in (("full", "lora") if name in WHOLE else ("lora",))]


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A miniature of each family."""
    return {name: build(tmp_path_factory.mktemp(name) / "model") for name, build in BUILDERS.items()}


def test_every_family_has_a_miniature() -> None:
    assert [family.name for family in families()] == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_it_is_recognised_by_itself_alone(folders: dict[str, Path], name: str) -> None:
    folder = read_folder(folders[name])
    assert [family.name for family in families() if family.recognises(folder)] == [name]
    assert family_of(folder).name == name


@pytest.mark.parametrize("family", families(), ids=lambda family: family.name)
def test_its_modules_hold_what_the_protocols_ask(family: object) -> None:
    from dreamboot_trainer import families as package

    for module, protocol in (
        ("load", "Load"),
        ("text", "Text"),
        ("latents", "Latents"),
        ("denoise", "Denoise"),
        ("sample", "Sample"),
    ):
        asked = [
            name
            for name, value in vars(getattr(package, protocol)).items()
            if inspect.isfunction(value) and name[0] != "_"
        ]
        assert all(callable(getattr(getattr(family, module), name)) for name in asked if name not in ("__init__",))


@pytest.mark.parametrize(("name", "method"), WAYS)
def test_it_trains_saves_and_exports(
    folders: dict[str, Path], photos: Path, tmp_path: Path, name: str, method: str
) -> None:
    config = configure(
        folders[name],
        photos,
        method=method,
        train_text_encoder=True,
        save_original=True,
        num_validation_images=1,
        gradient_checkpointing=True,
        max_train_steps=2,
    )
    events = train(config, tmp_path / "run")
    assert set(losses(events)) == {1, 2}
    assert (tmp_path / "run" / "model.safetensors").stat().st_size > 1000


@pytest.mark.parametrize("name", WHOLE)
def test_diffusers_loads_the_result(folders: dict[str, Path], photos: Path, tmp_path: Path, name: str) -> None:
    from diffusers import DiffusionPipeline

    train(configure(folders[name], photos, train_text_encoder=True, max_train_steps=1), tmp_path / "run")
    extra = {} if name == "sdxl" else {"safety_checker": None, "feature_extractor": None}
    pipeline = DiffusionPipeline.from_pretrained(tmp_path / "run" / "model", **extra)
    picture = pipeline("a photo of sks dog", num_inference_steps=1, height=64, width=64, output_type="np").images[0]
    assert picture.shape == (64, 64, 3)


@pytest.mark.parametrize("name", WHOLE)
def test_our_sampling_is_that_of_diffusers(folders: dict[str, Path], name: str) -> None:
    """Same noise, same DDIM steps, same guidance: the latents agree with diffusers' own pipeline."""
    from diffusers import DDIMScheduler, DiffusionPipeline

    from dreamboot_trainer import noise, pipeline

    folder = read_folder(folders[name])
    loaded = pipeline.load(family_of(folder), folder, None, torch.device("cpu"))
    start = noise.gaussian((4, 8, 8), "sample", 5)[None]
    extra = {} if name == "sdxl" else {"safety_checker": None, "feature_extractor": None}
    theirs = DiffusionPipeline.from_pretrained(folders[name], **extra)
    theirs.scheduler = DDIMScheduler.from_config({**folder.config("scheduler"), "clip_sample": False})
    expected = theirs(
        "a dog",
        negative_prompt="blurry",
        num_inference_steps=3,
        guidance_scale=4.0,
        height=64,
        width=64,
        latents=start.clone(),
        output_type="latent",
    ).images
    size = torch.tensor([[64, 64, 0, 0, 64, 64]])
    with torch.no_grad():
        mine = loaded.family.sample.denoise(
            lambda *inputs: loaded.family.denoise.predict(loaded.denoiser, *inputs),
            loaded.schedule,
            start,
            loaded.embed(["a dog"]),
            loaded.embed(["blurry"]),
            size,
            4.0,
            3,
        )
    assert torch.allclose(mine, expected, atol=1e-4)


@pytest.mark.parametrize("name", ["sd1", "sdxl"])
def test_text_encoders_are_read_as_transformers_reads_them(folders: dict[str, Path], name: str) -> None:
    import torch
    from transformers import CLIPTextModel, CLIPTextModelWithProjection

    from dreamboot_trainer.families import family_of
    from dreamboot_trainer.model_folder import read_folder

    folder = read_folder(folders[name])
    mine = family_of(folder).load.text(folder, torch.float32, torch.float32).encoders
    classes = (CLIPTextModel, CLIPTextModelWithProjection)[: len(mine)]
    ids = torch.arange(77)[None] % 60
    for encoder, make, part in zip(mine, classes, ("text_encoder", "text_encoder_2"), strict=False):
        theirs = make.from_pretrained(folder.part(part)).eval()
        with torch.no_grad():
            assert all(
                torch.equal(one, other)
                for one, other in zip(encoder(ids).to_tuple(), theirs(ids).to_tuple(), strict=True)
            )
        assert not any(parameter.requires_grad for parameter in encoder.parameters())


SCALES = {"sd1": (0.18215, 0.0), "sd2": (0.18215, 0.0), "sdxl": (0.18215, 0.0), "sd3": (1.5305, 0.0609)}
SCALES["flux"] = SCALES["sd3"]  # the miniatures share a VAE


@pytest.mark.parametrize("name", NAMES)
def test_latents_are_scaled_as_the_model_wants_them_and_back(folders: dict[str, Path], name: str) -> None:
    from diffusers import AutoencoderKL

    vae = AutoencoderKL.from_pretrained(folders[name] / "vae").eval()
    factor, shift = SCALES[name]
    family, pixels = family_of(read_folder(folders[name])), torch.linspace(-1, 1, 3 * 64 * 64).view(1, 3, 64, 64)
    with torch.no_grad():
        posterior = vae.encode(pixels).latent_dist
        mean, std = family.latents.encode(vae, pixels)
        assert torch.allclose(mean, (posterior.mean - shift) * factor, atol=1e-6)
        assert torch.allclose(std, posterior.std * factor, atol=1e-6)
        drawn = vae.decode(posterior.mean).sample.clamp(-1, 1)
        assert torch.allclose(family.latents.decode(vae, mean), drawn, atol=1e-5)
