"""DINO, CLIP-I, CLIP-T, PRES, DIV by hand, and the best model named for a reason."""

# ruff: noqa: E402 - the imports need torch, which not every environment has

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from hypothesis import given
from hypothesis import strategies as st

from dreamboot_trainer import cli
from dreamboot_trainer.events import read_events
from dreamboot_trainer.fidelity import encoders, lpips, scores
from dreamboot_trainer.fidelity.scores import Role, Score
from dreamboot_trainer.problems import TrainerError
from support.tiny_sd import write_tokenizer
from support.training import configure, train

pytestmark = pytest.mark.trainer


@pytest.fixture(scope="module")
def dino(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A miniature of DINO's network."""
    from transformers import ViTConfig, ViTModel

    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("dino")
    config = ViTConfig(
        hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=32, image_size=32, patch_size=8
    )
    ViTModel(config, add_pooling_layer=False).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A miniature CLIP with its tokenizer."""
    from transformers import CLIPConfig, CLIPModel, CLIPTextConfig, CLIPVisionConfig

    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("clip")
    words = write_tokenizer(folder)
    shared = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2}
    text = CLIPTextConfig(vocab_size=words, bos_token_id=words - 2, eos_token_id=words - 1, **shared)
    vision = CLIPVisionConfig(image_size=32, patch_size=8, **shared)
    config = CLIPConfig(text_config=text.to_dict(), vision_config=vision.to_dict(), projection_dim=16)
    CLIPModel(config).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def vgg(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Files with the names of VGG16's and LPIPS' tensors, four channels wide."""
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("lpips")
    numbers, before, layers = (0, 2, 5, 7, 10, 12, 14, 17, 19, 21, 24, 26, 28), 3, {}
    for number in numbers:
        layers[f"features.{number}.weight"] = torch.randn(4, before, 3, 3) * 0.4
        layers[f"features.{number}.bias"] = torch.zeros(4)
        before = 4
    torch.save(layers, folder / "vgg16.pth")
    torch.save({f"lin{i}.model.1.weight": torch.rand(1, 4, 1, 1) for i in range(5)}, folder / "vgg.pth")
    return folder


def pictures(count: int) -> list[Any]:
    from PIL import Image

    return [Image.effect_noise((48, 40), 20 + 30 * index).convert("RGB") for index in range(count)]


def test_dino_is_the_cosine_of_class_tokens(dino: Path) -> None:
    from transformers import ViTModel

    encoder = encoders.load_dino(dino)
    images = pictures(3)
    mine = encoder.pictures(images)
    network: Any = ViTModel.from_pretrained(dino, add_pooling_layer=False).eval()
    pixels = encoders.prepared(images, 32, 37, encoder.moments)
    with torch.no_grad():
        tokens = network(pixels).last_hidden_state[:, 0]
    by_hand = torch.nn.functional.cosine_similarity(tokens[:1], tokens[1:2]).item()
    assert float(mine[0] @ mine[1]) == pytest.approx(by_hand, abs=1e-5)
    assert scores.likeness(mine[:1], mine[1:2]) == pytest.approx(by_hand, abs=1e-5)
    assert scores.between(mine) == pytest.approx(
        (float(mine[0] @ mine[1]) + float(mine[0] @ mine[2]) + float(mine[1] @ mine[2])) / 3, abs=1e-5
    )


def test_pixels_are_cut_from_the_middle_and_normalised() -> None:
    from PIL import Image

    image = Image.new("RGB", (80, 40), (255, 0, 0))
    image.paste((0, 255, 0), (20, 0, 60, 40))
    cut = encoders.prepared([image], 20, 20, ((0.5,) * 3, (0.5,) * 3))
    assert cut.shape == (1, 3, 20, 20)
    assert torch.equal(cut[0, 1, :, 2:18], torch.ones(20, 16))  # the green middle


def test_clip_scores_are_those_of_the_network_itself(clip: Path) -> None:
    from transformers import CLIPModel

    encoder = encoders.load_clip(clip)
    images, prompts = pictures(2), ["a dog", "a cat on a mat"]
    network: Any = CLIPModel.from_pretrained(clip).eval()
    tokens = encoder.tokenizer(prompts, padding="max_length", max_length=77, return_tensors="pt")
    pixels = encoders.prepared(images, 32, 32, encoder.moments)
    with torch.no_grad():
        answer = network(pixel_values=pixels, **{key: tokens[key] for key in ("input_ids", "attention_mask")})
    by_hand = (answer.image_embeds @ answer.text_embeds.T).diagonal().mean().item()
    assert scores.truth(encoder.pictures(images), encoder.texts(prompts)) == pytest.approx(by_hand, abs=1e-5)


def test_lpips_is_nothing_for_equals_and_as_published_for_others(vgg: Path) -> None:
    measure = lpips.load_lpips(vgg)
    one = torch.rand(3, 32, 32) * 2 - 1
    assert measure.distances(torch.stack([one, one])) == [0.0]
    other = torch.rand(3, 32, 32) * 2 - 1
    layers = measure.layers(torch.stack([one, other]))
    assert [tuple(layer.shape[-2:]) for layer in layers] == [(32, 32), (16, 16), (8, 8), (4, 4), (2, 2)]
    for layer in layers:
        assert torch.allclose(layer.square().sum(1)[layer.abs().sum(1) > 0], torch.tensor(1.0), atol=1e-4)
    expected = sum(
        float((((a - b) ** 2) * line[:, None, None]).sum(0).mean())
        for (a, b), line in zip(layers, measure.lines, strict=True)
    )
    assert measure.distances(torch.stack([one, other]))[0] == pytest.approx(expected, rel=1e-5)
    assert lpips.variety(measure, [pictures(3)]) > 0


BASE = (
    Score(name="DINO", role=Role.SUBJECT, value=0.3, real=0.8),
    Score(name="PRES", role=Role.LEAK, value=0.3, real=0.8),
    Score(name="CLIP-T", role=Role.PROMPT, value=0.30),
    Score(name="DIV", role=Role.VARIETY, value=0.5),
)


def model(*values: float) -> tuple[Score, ...]:
    return tuple(
        Score(name=score.name, role=score.role, value=value, real=score.real)
        for score, value in zip(BASE, values, strict=True)
    )


def test_the_best_is_neither_the_first_nor_the_overfitted() -> None:
    course = {
        100: model(0.35, 0.3, 0.30, 0.5),  # hardly learnt
        400: model(0.70, 0.4, 0.29, 0.45),
        800: model(0.75, 0.75, 0.20, 0.2),  # every dog is the subject
    }
    balances = {step: scores.balance(each, BASE) for step, each in course.items()}
    assert scores.best(balances) == 400
    assert scores.balance(BASE, BASE) == 0.0
    assert scores.balance(model(0.8, 0.3, 0.30, 0.5), BASE) == pytest.approx(1.0)
    assert scores.best({5: 0.5, 3: 0.5, 4: 0.1}) == 3


@given(st.lists(st.floats(-1, 1), min_size=4, max_size=4))
def test_a_balance_is_between_nothing_and_one(values: list[float]) -> None:
    assert 0.0 <= scores.balance(model(*values), BASE) <= 1.0


@given(st.floats(0.3, 0.8), st.floats(0.3, 0.8))
def test_more_likeness_is_never_worse_and_more_leak_never_better(one: float, other: float) -> None:
    low, high = sorted((one, other))
    assert scores.balance(model(low, 0.4, 0.3, 0.5), BASE) <= scores.balance(model(high, 0.4, 0.3, 0.5), BASE)
    assert scores.balance(model(0.6, low, 0.3, 0.5), BASE) >= scores.balance(model(0.6, high, 0.3, 0.5), BASE)


@pytest.mark.parametrize("method", ["full", "lora"])
def test_pick_measures_every_kept_model_and_tells_the_report(
    tiny: Path, photos: Path, tmp_path: Path, dino: Path, clip: Path, vgg: Path,
    capsys: pytest.CaptureFixture[str], method: str,
) -> None:  # fmt: skip
    from dreamboot_trainer.config_read import dump

    run = tmp_path / "run"
    config = configure(tiny, photos, method=method, save_interval=2, max_train_steps=4)
    train(config, run)
    (run / "config.toml").write_text(dump(config))
    flags = ["--dino", str(dino), "--clip", str(clip), "--lpips", str(vgg), "--pictures", "2", "--json"]
    assert cli.main(["pick", "--config", str(run / "config.toml"), *flags]) == 0
    told = json.loads(capsys.readouterr().out)
    *_, best, command = told.pop("lines")
    assert told == json.loads((run / "fidelity.json").read_text())
    assert best == f"Best: step {told['best']['step']}, {told['best']['path']}"
    assert command == f"dreamboot sample {run} --model {told['best']['path']}"
    assert [each["step"] for each in told["candidates"]] == [2, 4]
    assert [score["name"] for score in told["base"]] == ["DINO", "PRES", "CLIP-I", "CLIP-T", "DIV"]
    highest = max(told["candidates"], key=lambda each: (each["balance"], -each["step"]))
    assert told["best"] == {"step": highest["step"], "path": highest["path"]}
    assert told["candidates"][0]["scores"] != told["candidates"][1]["scores"]
    page = (run / "report.html").read_text()
    assert "Fidelity" in page
    assert f"step {highest['step']} (best)" in page


def test_the_demo_is_measured_by_its_own_judge(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from dreamboot_trainer import demo

    run = tmp_path / "run"
    shutil.copytree(demo.MODEL_DIR, run / "model")
    flags = {"pretrained_model_name_or_path": "demo", "instance_data_dir": "demo", "resolution": 128}
    flags |= {"num_inference_steps": 2, "output_dir": run, "device": "cpu", "pictures": 2}
    words = [f"--{name}={value}" for name, value in flags.items()]
    assert cli.main(["pick", *words]) == 0
    answer = capsys.readouterr().out
    assert [cell.strip() for cell in answer.splitlines()[0].split("  ") if cell][1:] == [
        "judge",
        "judge leak",
        "judge var",
        "balance",
    ]
    assert "judge leak: likeness of pictures of the plain class to the photos: low is good" in answer.splitlines()
    assert "<- best" in answer
    told = json.loads((run / "fidelity.json").read_text())
    assert told["candidates"][0]["balance"] == 0.0  # the base itself has learnt nothing


def test_nothing_to_measure_with_is_said(tiny: Path, photos: Path, tmp_path: Path, vgg: Path) -> None:
    from dreamboot_trainer.fidelity import pick

    config = configure(tiny, photos)
    with pytest.raises(TrainerError) as caught:
        pick.load_encoders(config, None, None, None)
    assert caught.value.problem.id == "encoders-missing"
    with pytest.raises(TrainerError) as caught:
        pick.load_encoders(config, tmp_path, None, None)
    assert caught.value.problem.id == "encoder-not-loadable"
    with pytest.raises(TrainerError) as caught:
        lpips.load_lpips(tmp_path)
    assert caught.value.problem.id == "lpips-missing"
    with pytest.raises(TrainerError) as caught:
        pick.candidates(tmp_path, 4)
    assert caught.value.problem.id == "no-candidates"


def test_the_reports_command_repeats_the_run(
    tiny: Path, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As it stands in the page, from another folder than the first call: the same losses, step by step."""
    import html
    import re
    import shlex

    from support.training import losses

    shutil.copytree(photos, tmp_path / "photos")
    monkeypatch.chdir(tmp_path)
    run, again = tmp_path / "a run", tmp_path / "another run"
    first = losses(train(configure(tiny, Path("photos"), learning_rate=3e-4, lr_scheduler="cosine"), run))
    section = (run / "report.html").read_text().partition("<h2>To repeat it</h2>")[2].partition("</section>")[0]
    own, command = map(html.unescape, re.findall("<pre><code>(.*?)</code></pre>", section))
    assert shlex.split(own)[:2] == ["dreamboot", "train"]
    words = shlex.split(command.replace("NEW_FOLDER", shlex.quote(str(again))))
    assert words[:3] == ["python", "-m", "dreamboot_trainer"]
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert cli.main(words[3:]) == 0
    assert losses(read_events(again / "events.jsonl")) == first
    assert len(first) == 4
    assert (run / "plots" / "learning_rate.png").is_file()
