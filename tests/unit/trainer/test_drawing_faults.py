"""`sample`, `compare` and `pick` with what is not theirs: a Problem, and never pictures or scores of something else."""

# ruff: noqa: E402 - the imports need torch, which not every environment has

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")

from safetensors.torch import load_file, save_file

from dreamboot_trainer.cli import main
from support.tiny_flow import build_flux
from support.tiny_sd import build_sd1, build_sdxl
from support.training import BASE, configure, train

pytestmark = pytest.mark.trainer
ADAPTER = "pytorch_lora_weights.safetensors"


@pytest.fixture(scope="module")
def adapter(tiny: Path, photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """model/ of a LoRA run on the miniature model."""
    run = tmp_path_factory.mktemp("lora")
    train(configure(tiny, photos, method="lora", max_train_steps=1), run)
    return run / "model"


def arguments(model: Path, photos: Path, **changes: object) -> list[str]:
    values = {
        **BASE,
        "pretrained_model_name_or_path": model,
        "instance_data_dir": photos,
        "num_validation_images": 1,
        **changes,
    }
    return [part for name, value in values.items() for part in (f"--{name}", str(value))]


def drawn(tmp_path: Path, capsys: pytest.CaptureFixture[str], *words: object) -> str:
    """The id of the Problem, "" where a picture was written."""
    out = tmp_path / "grid.png"
    code = main(["sample", "--json", "--out", str(out), *map(str, words)])
    answer = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert out.exists() == (code == 0)
    return str(answer["problem"]["id"]) if code else ""


@pytest.mark.parametrize("build", [build_sdxl, build_flux])
def test_an_adapter_of_another_family_draws_nothing(
    adapter: Path, photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], build: Callable[[Path], Path]
) -> None:
    words = arguments(build(tmp_path / "model"), photos)
    assert drawn(tmp_path, capsys, *words, "--model", adapter) == "adapter-mismatch"


def test_what_is_no_adapter_draws_nothing(
    tiny: Path, adapter: Path, photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = [*arguments(tiny, photos), "--model"]
    assert drawn(tmp_path, capsys, *words, adapter.parent) == "adapter-unreadable"
    other = Path(shutil.copytree(adapter, tmp_path / "other"))
    save_file(load_file(other / ADAPTER), other / ADAPTER)  # without its metadata
    assert drawn(tmp_path, capsys, *words, other) == "adapter-unreadable"
    (other / ADAPTER).write_bytes(b"cut")
    assert drawn(tmp_path, capsys, *words, other) == "adapter-unreadable"
    assert drawn(tmp_path, capsys, *words, adapter) == ""


def test_an_adapter_of_a_checkpoint_file_is_drawn_with_the_folder_that_training_made_of_it(
    tiny: Path, photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from dreamboot_trainer.convert import to_original

    to_original(tiny, tmp_path / "model.safetensors")
    settings = {"tokenizer_name": tiny / "tokenizer", "output_dir": tmp_path / "run"}
    words = arguments(tmp_path / "model.safetensors", photos, **settings)
    assert drawn(tmp_path, capsys, *words) == "base-not-converted"
    config = configure(tmp_path / "model.safetensors", photos, method="lora", max_train_steps=1, **settings)
    train(config, tmp_path / "run")
    assert drawn(tmp_path, capsys, *words) == ""


def test_no_pictures_and_a_step_for_every_noise_level(
    tiny: Path, photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert drawn(tmp_path, capsys, *arguments(tiny, photos, num_validation_images=0)) == ""
    words = arguments(tiny, photos, num_inference_steps=1000, resolution=8, validation_prompts="dog")
    assert drawn(tmp_path, capsys, *words) == ""


def test_pictures_that_cannot_be_compared(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "cut.png").write_bytes(b"\x89PNG")
    for path in (tmp_path / "none.png", tmp_path / "cut.png", tmp_path):
        assert main(["compare", "--json", str(path), str(path), "--out", str(tmp_path / "both.png")]) == 1
        assert json.loads(capsys.readouterr().out)["problem"]["id"] == "picture-unreadable"


@pytest.mark.parametrize(("flag", "part"), [("--dino", "unet"), ("--clip", "text_encoder")])
def test_an_encoder_without_its_weights_measures_nothing(
    photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], flag: str, part: str
) -> None:
    """A CLIP text encoder alone loads as a whole CLIP whose eyes are random numbers."""
    model = build_sd1(tmp_path / "model")
    words = ["pick", "--json", *arguments(model, photos, output_dir=tmp_path / "run"), flag, str(model / part)]
    assert main(words) == 1
    assert json.loads(capsys.readouterr().out)["problem"]["id"] == "encoder-not-loadable"
