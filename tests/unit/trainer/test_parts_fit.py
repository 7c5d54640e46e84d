"""Parts of a model that do not fit each other, and inputs that only fail late: each is a Problem before training."""

# ruff: noqa: E402 - the imports need torch, which not every environment has

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")

from safetensors.torch import load_file, save_file

from dreamboot_trainer.check import check
from dreamboot_trainer.config_read import read
from dreamboot_trainer.events import EventLog, read_events
from dreamboot_trainer.problems import Problem, TrainerError
from support.tiny_flow import build_flux, build_sd3
from support.tiny_sd import build_sd1, build_sdxl
from support.training import configure, train

pytestmark = pytest.mark.trainer
WEIGHTS = "diffusion_pytorch_model.safetensors"


@pytest.fixture()
def model(tiny: Path, tmp_path: Path) -> Path:
    """A copy of the miniature model, to be damaged."""
    return Path(shutil.copytree(tiny, tmp_path / "model"))


def found(model: Path, photos: Path, run: Path, **changes: object) -> list[str]:
    report = check(configure(model, photos, **changes), run)
    assert not run.exists()
    assert all(problem.what and problem.cause and problem.hint for problem in report.problems)
    return [problem.id for problem in report.problems]


def stopped(model: Path, photos: Path, run: Path, **changes: object) -> Problem:
    with pytest.raises(TrainerError) as caught:
        train(configure(model, photos, **changes), run)
    return caught.value.problem


def edit(path: Path, **changes: object) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def without_one_weight(path: Path) -> None:
    tensors = load_file(path)
    del tensors[sorted(tensors)[3]]
    save_file(tensors, path, metadata={"format": "pt"})


@pytest.mark.parametrize(
    ("build", "part", "key"),
    [
        (build_sd1, "text_encoder", "hidden_size"),
        (build_sdxl, "text_encoder_2", "hidden_size"),
        (build_sd3, "text_encoder", "projection_dim"),
        (build_sd3, "text_encoder_3", "d_model"),
        (build_flux, "text_encoder", "hidden_size"),
        (build_flux, "text_encoder_2", "d_model"),
    ],
)
def test_a_text_encoder_of_another_width(
    photos: Path, tmp_path: Path, build: Callable[[Path], Path], part: str, key: str
) -> None:
    model = build(tmp_path / "model")
    method = {"method": "lora"}
    assert found(model, photos, tmp_path / "run", **method) == []
    edit(model / part / "config.json", **{key: 8})
    assert found(model, photos, tmp_path / "run", **method) == ["model-text-mismatch"]


@pytest.mark.parametrize(
    "change", [{"block_out_channels": [8, 8, 16]}, {"scaling_factor": 0.13025}, {"scaling_factor": None}]
)
def test_a_vae_of_another_latent_space(model: Path, photos: Path, tmp_path: Path, change: dict[str, object]) -> None:
    other = Path(shutil.copytree(model / "vae", tmp_path / "vae"))
    assert found(model, photos, tmp_path / "run", pretrained_vae_name_or_path=other) == []
    edit(other / "config.json", **change)
    assert found(model, photos, tmp_path / "run", pretrained_vae_name_or_path=other) == ["model-vae-mismatch"]


def test_a_noise_schedule_and_a_tokenizer_are_not_made_up(model: Path, photos: Path, tmp_path: Path) -> None:
    (model / "scheduler" / "scheduler_config.json").unlink()
    assert found(model, photos, tmp_path / "run") == ["model-without-scheduler"]
    (model / "tokenizer" / "vocab.json").unlink()
    assert "model-without-tokenizer" in found(model, photos, tmp_path / "run")
    assert "tokenizer-missing" in found(model, photos, tmp_path / "run", tokenizer_name=model / "unet")


def test_the_tokenizer_of_another_model(tiny: Path, photos: Path, tmp_path: Path) -> None:
    vocabulary = json.loads((tiny / "tokenizer" / "vocab.json").read_text())
    other = Path(shutil.copytree(tiny / "tokenizer", tmp_path / "tokenizer"))
    for words in ({**vocabulary, "x1": len(vocabulary)}, dict(list(vocabulary.items())[:90])):
        (other / "vocab.json").write_text(json.dumps(words))
        assert stopped(tiny, photos, tmp_path / "run", tokenizer_name=other).id == "tokenizer-mismatch"
    assert not (tmp_path / "run" / "class_images").exists()


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"prediction_type": "flow_prediction"}, "model-unknown-prediction"),
        ({"beta_schedule": "nonsense"}, "model-not-loadable"),
        ({"num_train_timesteps": 0}, "model-not-loadable"),
    ],
)
def test_a_scheduler_that_cannot_be_used(
    model: Path, photos: Path, tmp_path: Path, change: dict[str, object], expected: str
) -> None:
    edit(model / "scheduler" / "scheduler_config.json", **change)
    assert stopped(model, photos, tmp_path / "run").id == expected


@pytest.mark.parametrize("part", ["unet", "vae"])
def test_a_missing_weight_is_named(model: Path, photos: Path, tmp_path: Path, part: str) -> None:
    without_one_weight(model / part / WEIGHTS)
    problem = stopped(model, photos, tmp_path / "run")
    assert problem.id == "model-not-loadable"
    assert "is missing" in problem.cause


def test_a_missing_weight_of_t5_is_not_drawn_at_random(photos: Path, tmp_path: Path) -> None:
    model = build_flux(tmp_path / "model")
    without_one_weight(model / "text_encoder_2" / "model.safetensors")
    assert "is missing" in stopped(model, photos, tmp_path / "run", method="lora").cause


def test_a_vae_that_makes_no_numbers_makes_no_class_images(model: Path, photos: Path, tmp_path: Path) -> None:
    tensors = load_file(model / "vae" / WEIGHTS)
    tensors["decoder.conv_in.bias"] *= float("nan")
    save_file(tensors, model / "vae" / WEIGHTS, metadata={"format": "pt"})
    assert stopped(model, photos, tmp_path / "run").id == "picture-not-finite"
    assert not list((tmp_path / "run").glob("class_images/*"))


def test_weights_as_whole_numbers(model: Path, photos: Path, tmp_path: Path) -> None:
    tensors = {name: tensor.to(torch.int8) for name, tensor in load_file(model / "unet" / WEIGHTS).items()}
    save_file(tensors, model / "unet" / WEIGHTS, metadata={"format": "pt"})
    assert found(model, photos, tmp_path / "run") == ["model-quantized"]


@pytest.mark.parametrize("weights", [[1], {"a": 5}])
def test_an_index_of_shards_that_is_none(model: Path, photos: Path, tmp_path: Path, weights: object) -> None:
    (model / "unet" / WEIGHTS).unlink()
    (model / "unet" / f"{WEIGHTS}.index.json").write_text(json.dumps({"weight_map": weights}))
    assert found(model, photos, tmp_path / "run") == ["model-json-unreadable"]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("photo-0.txt", b"\xff"),
        ("photo-0.json", b"["),
        ("photo-0.json", b'{"text": "\\ud800"}'),
        ("metadata.jsonl", b"{"),
    ],
)
def test_captions_are_read_before_class_images_are_made(
    tiny: Path, photos: Path, tmp_path: Path, name: str, content: bytes
) -> None:
    folder = Path(shutil.copytree(photos, tmp_path / "photos"))
    (folder / name).write_bytes(content)
    assert found(tiny, folder, tmp_path / "run", captions=True) == ["caption-unreadable"]


def test_captions_that_nobody_wrote_are_noted(tiny: Path, photos: Path, tmp_path: Path) -> None:
    notes = check(configure(tiny, photos, captions=True), tmp_path / "run").notes
    assert any("No photo" in note for note in notes)


@pytest.mark.skipif(sys.platform == "win32", reason="links and bytes of POSIX")
def test_a_link_that_leads_nowhere_is_a_missing_photo(tiny: Path, photos: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(photos, tmp_path / "photos"))
    (folder / "link.png").symlink_to(tmp_path / "nothing.png")
    assert found(tiny, folder, tmp_path / "run") == ["photo-missing"]


@pytest.mark.parametrize(
    "setting",
    [
        "instance_data_dir=~nobody-of-this-name/x", f"class_data_dir=/tmp/{'x' * 5000}",
        f"output_dir={os.fsdecode(bytes([47, 255]))}", "instance_prompt=a \udcff dog", 'validation_prompts=["\\ud800"]',
        "adam_beta1=1", "lora_dropout=1",
    ],
)  # fmt: skip
def test_values_that_would_fail_later(setting: str) -> None:
    with pytest.raises(TrainerError) as caught:
        read(None, [setting])
    assert caught.value.problem.id == "config-wrong-value"


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_what_windows_writes_is_read(tmp_path: Path, encoding: str) -> None:
    (tmp_path / "config.toml").write_text("[data]\r\nresolution = 64\r\n", encoding=encoding)
    assert read(tmp_path / "config.toml").data.resolution == 64


def test_a_name_of_no_encoding_can_be_told(tmp_path: Path) -> None:
    events = EventLog(tmp_path / "events.jsonl")
    events.line("prepare", "a \udcff photo")
    events.close()
    assert read_events(tmp_path / "events.jsonl")[0]["message"] == "a \udcff photo"


@pytest.mark.parametrize("changes", [{"lr_warmup_steps": 2}, {"learning_rate": 1e-9}])
def test_a_polynomial_course_ends(tiny: Path, photos: Path, tmp_path: Path, changes: dict[str, object]) -> None:
    train(configure(tiny, photos, lr_scheduler="polynomial", max_train_steps=2, **changes), tmp_path / "run")
