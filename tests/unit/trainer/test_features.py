"""One test per feature, each of which fails without it."""

# ruff: noqa: E402 - the imports need torch, which not every environment has

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from safetensors.torch import load_file

from dreamboot_trainer.data.captions import caption_of
from dreamboot_trainer.data.items import instance_items
from dreamboot_trainer.problems import TrainerError
from support.tiny_sd import build_sd1, write_photos
from support.training import changed, configure, losses, train

pytestmark = pytest.mark.trainer
UNET = "diffusion_pytorch_model.safetensors"


def test_the_text_encoder_is_trained_only_when_asked(tiny: Path, photos: Path, tmp_path: Path) -> None:
    train(configure(tiny, photos), tmp_path / "frozen")
    assert not changed(tmp_path / "frozen", tiny, "text_encoder")
    train(configure(tiny, photos, train_text_encoder=True), tmp_path / "trained")
    assert changed(tmp_path / "trained", tiny, "text_encoder")


def test_the_text_encoder_has_its_own_learning_rate(tiny: Path, photos: Path, tmp_path: Path) -> None:
    small = configure(tiny, photos, train_text_encoder=True, text_encoder_learning_rate=1e-12, save_precision="fp32")
    train(small, tmp_path / "run")
    new = load_file(tmp_path / "run" / "model" / "text_encoder" / "model.safetensors")
    old = load_file(tiny / "text_encoder" / "model.safetensors")
    key = "final_layer_norm.weight"
    assert torch.allclose(new[f"text_model.{key}"], old[key if key in old else f"text_model.{key}"], atol=1e-8)
    assert changed(tmp_path / "run", tiny, "unet")


def test_the_text_encoder_stops_after_its_steps(tiny: Path, photos: Path, tmp_path: Path) -> None:
    config = {"train_text_encoder": True, "checkpoints_total_limit": 0, "checkpointing_steps": 1}
    train(configure(tiny, photos, text_encoder_steps=2, **config), tmp_path / "run")
    states = [load_file(tmp_path / "run" / "checkpoints" / f"step-{s:06d}" / "weights.safetensors") for s in (1, 2, 4)]
    name = "encoders.0.final_layer_norm.weight"
    name = name if name in states[0] else "encoders.0.text_model.final_layer_norm.weight"
    assert not torch.equal(states[0][name], states[1][name])
    assert torch.equal(states[1][name], states[2][name])


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("photo-1.txt", "a red dog"),
        ("photo-1.png.txt", "a red dog"),
        ("photo-1.caption", "a red dog\n"),
        ("photo-1.json", '{"caption": "a red dog"}'),
        ("metadata.jsonl", '{"file_name": "photo-1.png", "text": "a red dog"}\n'),
    ],
)
def test_captions_of_every_form_are_read(photos: Path, tmp_path: Path, name: str, content: str) -> None:
    folder = Path(shutil.copytree(photos, tmp_path / "photos"))
    (folder / name).write_text(content, encoding="utf-8")
    assert caption_of(folder / "photo-1.png") == "a red dog"
    assert caption_of(folder / "photo-0.png") is None


def test_captions_replace_the_instance_prompt(photos: Path, tmp_path: Path, tiny: Path) -> None:
    from dreamboot_trainer.data.concepts import subjects

    folder = Path(shutil.copytree(photos, tmp_path / "photos"))
    (folder / "photo-1.txt").write_text("sks dog in the snow", encoding="utf-8")
    config = configure(tiny, folder, captions=True)
    items = instance_items(subjects(config, tmp_path), captions=True)
    assert [item.prompt for item in items] == ["a photo of sks dog", "sks dog in the snow", "a photo of sks dog"]
    plain = losses(train(configure(tiny, folder, with_prior_preservation=False), tmp_path / "plain"))
    with_captions = losses(
        train(configure(tiny, folder, with_prior_preservation=False, captions=True), tmp_path / "with")
    )
    assert plain != with_captions


def test_several_concepts_from_a_list_as_it_is(tiny: Path, photos: Path, tmp_path: Path) -> None:
    cats = write_photos(tmp_path / "cats", count=2)
    rows = [
        {
            "instance_prompt": f"a photo of {token} {noun}",
            "class_prompt": f"a photo of a {noun}",
            "instance_data_dir": str(folder),
            "class_data_dir": str(tmp_path / "classes" / noun),
        }
        for token, noun, folder in (("sks", "dog", photos), ("zwx", "cat", cats))
    ]
    path = tmp_path / "concepts_list.json"
    path.write_text(json.dumps(rows))
    events = train(configure(tiny, photos, concepts_list=path, num_class_images=2, max_train_steps=2), tmp_path / "run")
    assert len(losses(events)) == 2
    assert [len(list((tmp_path / "classes" / noun).iterdir())) for noun in ("dog", "cat")] == [2, 2]
    assert any("5 photos and 4 class images" in record.get("message", "") for record in events)


def test_min_snr_changes_the_weights_as_published() -> None:
    from dreamboot_trainer.families.sd1 import denoise
    from dreamboot_trainer.families.sd1.load import NoiseSchedule

    class Config:
        prediction_type = "epsilon"

    class Train:
        alphas_cumprod = torch.tensor([0.999, 0.5, 0.01])
        config = Config

    schedule = NoiseSchedule(Train, None)
    times = torch.tensor([0, 1, 2])
    assert denoise.weights(schedule, times, 5.0).tolist() == pytest.approx([5 / 999, 1.0, 1.0], rel=1e-3)
    Config.prediction_type = "v_prediction"
    assert denoise.weights(schedule, times, 5.0).tolist() == pytest.approx([5 / 1000, 0.5, 0.0101 / 1.0101], rel=1e-2)


def test_min_snr_and_noise_offset_have_an_effect(tiny: Path, photos: Path, tmp_path: Path) -> None:
    settings = ({}, {"snr_gamma": 1.0}, {"noise_offset": 0.1})
    found = [
        losses(train(configure(tiny, photos, max_train_steps=2, **s), tmp_path / str(i)))
        for i, s in enumerate(settings)
    ]
    assert len({run[1] for run in found}) == 3


def test_the_average_is_saved_and_sampled_in_place_of_the_last_weights(
    tiny: Path, photos: Path, tmp_path: Path
) -> None:
    """It follows the weights of every step; the model that is saved has it, and so had the last samples."""
    from PIL import Image

    from dreamboot_trainer import pipeline, sample
    from dreamboot_trainer.families import family_of
    from dreamboot_trainer.model_folder import read_folder

    run = tmp_path / "run"
    config = configure(
        tiny, photos, use_ema=True, ema_decay=0.15, save_precision="fp32", num_validation_images=1,
        checkpointing_steps=1, checkpoints_total_limit=0, learning_rate=1e-2,
    )  # fmt: skip
    train(config, run)
    states = {path.name[-1]: path for path in sorted((run / "checkpoints").iterdir())}
    weights = {step: load_file(path / "weights.safetensors") for step, path in states.items()}
    average, saved = load_file(states["4"] / "average.safetensors"), load_file(run / "model" / "unet" / UNET)
    start = load_file(tiny / "unet" / UNET)
    for name, tensor in average.items():
        expected = start[name.removeprefix("denoiser.")]
        for step in range(1, 5):
            share = min(0.15, step / (step + 9))
            expected = share * expected + (1 - share) * weights[str(step)][name]
        assert torch.allclose(tensor, expected, atol=1e-6)
        assert torch.equal(saved[name.removeprefix("denoiser.")], tensor)
    assert any(not torch.allclose(average[name], last, atol=1e-5) for name, last in weights["4"].items())

    folder = read_folder(run / "model")
    loaded = pipeline.load(family_of(folder), folder, None, torch.device("cpu"))
    drawn = pixels_of(Image.open(run / "samples" / "step-000004.png"))
    distances = []
    for tensors in (saved, {name.removeprefix("denoiser."): tensor for name, tensor in weights["4"].items()}):
        loaded.denoiser.load_state_dict(tensors)
        prompts = ("a photo of sks dog", "a photo of a dog")
        grid = sample.make_grid(loaded, config.sampling, prompts, 64, "step 4")
        distances.append((pixels_of(grid) - drawn).abs().max().item())
    assert distances[0] <= 2 < 10 <= distances[1]


def pixels_of(image: Any) -> torch.Tensor:
    return torch.frombuffer(bytearray(image.tobytes()), dtype=torch.uint8).int()


def test_average_by_hand() -> None:
    from dreamboot_trainer.ema import Average

    weight = torch.nn.Parameter(torch.zeros(1))
    average = Average({"w": weight}, decay=0.5)
    weight.data.fill_(1.0)
    average.update(1)
    assert average.shadow["w"].item() == pytest.approx(0.9)
    average.update(100)
    assert average.shadow["w"].item() == pytest.approx(0.95)
    with average.applied():
        assert weight.item() == pytest.approx(0.95)
    assert weight.item() == 1.0


def test_another_vae_is_used_and_saved(tiny: Path, photos: Path, tmp_path: Path) -> None:
    other = build_sd1(tmp_path / "other", seed=7)
    config = configure(
        tiny, photos, pretrained_vae_name_or_path=other / "vae", max_train_steps=1, save_precision="fp32"
    )
    assert losses(train(config, tmp_path / "run")) != losses(
        train(configure(tiny, photos, max_train_steps=1), tmp_path / "own")
    )
    saved = tmp_path / "run" / "model" / "vae" / "diffusion_pytorch_model.safetensors"
    new, old = load_file(saved), load_file(other / "vae" / "diffusion_pytorch_model.safetensors")
    assert all(torch.equal(new[name], old[name]) for name in old)


def test_velocity_prediction_of_sd2(photos: Path, tmp_path: Path) -> None:
    """The loss is that against the velocity, by hand: sqrt(a) noise - sqrt(1 - a) latents."""
    from dreamboot_trainer import pipeline
    from dreamboot_trainer.families import family_of
    from dreamboot_trainer.model_folder import read_folder

    folder = read_folder(build_sd1(tmp_path / "sd2", v_prediction=True, linear=True))
    family = family_of(folder)
    assert family.name == "sd2"
    loaded = pipeline.load(family, folder, None, torch.device("cpu"))
    latents, added = torch.randn(2, 4, 8, 8), torch.randn(2, 4, 8, 8)
    times = torch.tensor([3, 900])
    alpha = loaded.schedule.train.alphas_cumprod[times].view(2, 1, 1, 1)
    target = family.denoise.target(loaded.schedule, latents, added, times)
    assert torch.allclose(target, alpha.sqrt() * added - (1 - alpha).sqrt() * latents, atol=1e-6)
    assert len(losses(train(configure(tmp_path / "sd2", photos, max_train_steps=2), tmp_path / "run"))) == 2


def test_a_photo_that_changes_during_the_run_is_noticed_on_going_on(tiny: Path, photos: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(photos, tmp_path / "photos"))
    train(configure(tiny, folder, max_train_steps=1), tmp_path / "run")
    (folder / "photo-2.png").unlink()
    with pytest.raises(TrainerError) as caught:
        train(configure(tiny, folder, max_train_steps=2), tmp_path / "run")
    assert caught.value.problem.id == "resume-changed"


def test_a_prompt_that_is_too_long_is_named(tiny: Path, photos: Path, tmp_path: Path) -> None:
    events = train(configure(tiny, photos, instance_prompt="dog " * 40, max_train_steps=1), tmp_path / "run")
    assert any("tokens of this prompt are cut off" in record.get("message", "") for record in events)


def test_buckets_cover_shapes_and_divide() -> None:
    from dreamboot_trainer.data.buckets import bucket_sizes, nearest_bucket

    sizes = bucket_sizes(512, 8)
    assert (512, 512) in sizes
    assert all(h % 64 == 0 and w % 64 == 0 and h * w <= 512 * 512 and 0.5 <= h / w <= 2 for h, w in sizes)
    assert nearest_bucket((3000, 2000), sizes) == (384, 640)
    assert nearest_bucket((100, 100), sizes) == (512, 512)
    assert nearest_bucket((100, 900), sizes) == (640, 384)


def test_bucket_batches_have_one_shape_and_show_every_photo() -> None:
    from dreamboot_trainer.data.buckets import BucketOrder

    groups = ((0, 1, 2), (3, 4), (5,))
    order = BucketOrder(seed=0, stream="instance", groups=groups, batch=2)
    epochs = [[order.at(place) for place in range(start, start + 8)] for start in (0, 8)]
    for epoch in epochs:
        assert set(epoch) == set(range(6))
        for first, second in zip(epoch[::2], epoch[1::2], strict=True):
            assert any(first in group and second in group for group in groups)
    assert epochs[0] != epochs[1]


@pytest.mark.parametrize("cached", [True, False])
@pytest.mark.parametrize("buckets", [True, False])
def test_photos_of_many_shapes_are_trained_in_their_shapes(
    tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, buckets: bool, cached: bool
) -> None:
    """Red ones are wide, green ones tall, blue ones square; what is encoded tells its colour."""
    from PIL import Image

    from dreamboot_trainer.pipeline import Pipeline

    folder = tmp_path / "shapes"
    folder.mkdir()
    sizes = [((128, 64), "red"), ((64, 128), "green"), ((90, 90), "blue"), ((130, 66), "red")]
    for index, (size, colour) in enumerate(sizes):
        Image.new("RGB", size, colour).save(folder / f"{index}.png")
    seen: dict[int, set[tuple[int, ...]]] = {}
    encode = Pipeline.encode

    def spying(self: Pipeline, pixels: Any) -> Any:
        seen.setdefault(int(pixels.mean((0, 2, 3)).argmax()), set()).add(tuple(pixels.shape[2:]))
        return encode(self, pixels)

    monkeypatch.setattr(Pipeline, "encode", spying)
    settings = {"aspect_ratio_buckets": buckets, "cache_latents": cached, "with_prior_preservation": False}
    run = train(configure(tiny, folder, train_batch_size=2, max_train_steps=4, **settings), tmp_path / "run")
    assert len(losses(run)) == 4
    wide, tall, square = (48, 80), (80, 48), (64, 64)
    assert seen == ({0: {wide}, 1: {tall}, 2: {square}} if buckets else {0: {square}, 1: {square}, 2: {square}})


def test_a_missing_tracker_is_a_problem(
    tiny: Path, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import importlib.util

    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    with pytest.raises(TrainerError) as caught:
        train(configure(tiny, photos, report_to="wandb"), tmp_path / "run")
    assert caught.value.problem.id == "tracker-missing"


@pytest.mark.parametrize(
    ("prompt", "expected"),
    [("a photo of sks dog", ""), ("a photo of red dog", "red"), ("a photo of a dog", ""), ("a photo of zwxqy dog", "")],
)
def test_a_token_that_means_something_is_noticed(prompt: str, expected: str) -> None:
    from transformers.models.clip.tokenization_clip import CLIPTokenizer

    from dreamboot_trainer import demo
    from dreamboot_trainer.identifiers import common_identifier

    tokenizer = CLIPTokenizer.from_pretrained(demo.MODEL_DIR / "tokenizer")
    assert common_identifier(tokenizer, prompt, "a photo of a dog") == expected


def test_a_run_says_that_its_token_means_something(photos: Path, tmp_path: Path) -> None:
    from dreamboot_trainer import demo

    settings = {
        "instance_prompt": "a photo of red animal", "class_prompt": "a photo of an animal", "max_train_steps": 1,
        "with_prior_preservation": False,
    }  # fmt: skip
    events = train(configure(demo.MODEL_DIR, photos, **settings), tmp_path / "run")
    assert any("'red' already means something" in record.get("message", "") for record in events)


def test_a_value_beyond_half_precision_makes_the_file_larger_and_does_not_end_the_run(
    tiny: Path, photos: Path, tmp_path: Path
) -> None:
    from safetensors.torch import save_file

    model = Path(shutil.copytree(tiny, tmp_path / "model"))
    weights = model / "vae" / "diffusion_pytorch_model.safetensors"
    large = load_file(weights)
    large["decoder.conv_out.bias"] = torch.full_like(large["decoder.conv_out.bias"], 1e5, dtype=torch.float32)
    save_file(large, weights)
    events = train(
        configure(model, photos, max_train_steps=1, save_precision="fp32", save_original=True), tmp_path / "run"
    )
    said = [record["message"] for record in events if record["event"] == "line" and record["stage"] == "export"]
    assert len(said) == 1
    assert "float32" in said[0]
    assert "decoder.conv_out.bias" in said[0]
    exported = load_file(tmp_path / "run" / "model.safetensors")
    assert exported["first_stage_model.decoder.conv_out.bias"].max() == 1e5
    assert (tmp_path / "run" / "report.html").is_file()
