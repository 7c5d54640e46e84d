"""Bad input: each case is a Problem of its own, found without torch, and nothing is written."""

from __future__ import annotations

import json
import pickle
import struct
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

pytest.importorskip("PIL")
pytest.importorskip("torch")


import shutil

from PIL import Image

from dreamboot_trainer.check import check
from dreamboot_trainer.data.photos import list_photos, open_photo
from support.training import configure


@pytest.fixture()
def model(tiny: Path, tmp_path: Path) -> Path:
    """A copy of the miniature model, to be damaged."""
    return Path(shutil.copytree(tiny, tmp_path / "model"))


@pytest.fixture()
def pictures(photos: Path, tmp_path: Path) -> Path:
    """A copy of the photos, to be damaged."""
    return Path(shutil.copytree(photos, tmp_path / "pictures"))


def found(model: Path, pictures: Path, run: Path, **changes: object) -> list[str]:
    report = check(configure(model, pictures, **changes), run)
    assert not run.exists()
    assert all(problem.what and problem.cause and problem.hint for problem in report.problems)
    return [problem.id for problem in report.problems]


def test_good_input_has_no_problem(model: Path, pictures: Path, tmp_path: Path) -> None:
    assert found(model, pictures, tmp_path / "run") == []


def test_class_images_are_not_made_among_the_photos(model: Path, pictures: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(pictures)
    for folder in (pictures, tmp_path / "link"):
        assert found(model, pictures, tmp_path / "run", class_data_dir=str(folder)) == ["folder-in-use"]


def test_a_run_does_not_write_into_photos_or_model(model: Path, pictures: Path) -> None:
    for run in (pictures, model):
        report = check(configure(model, pictures), run)
        assert [problem.id for problem in report.problems] == ["folder-in-use"]


def test_missing_folder(model: Path, tmp_path: Path) -> None:
    assert found(model, tmp_path / "nothing", tmp_path / "run") == ["photos-folder-missing"]


def test_empty_folder(model: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    assert found(model, tmp_path / "empty", tmp_path / "run") == ["photos-folder-empty"]


def test_text_file_named_jpg(model: Path, pictures: Path, tmp_path: Path) -> None:
    (pictures / "a.jpg").write_text("not a photo at all")
    assert found(model, pictures, tmp_path / "run") == ["photo-not-an-image"]


def test_empty_file_named_jpg(model: Path, pictures: Path, tmp_path: Path) -> None:
    (pictures / "a.jpg").touch()
    assert found(model, pictures, tmp_path / "run") == ["photo-not-an-image"]


@pytest.mark.parametrize("ending", ["jpg", "png", "webp"])
def test_truncated_photo(model: Path, pictures: Path, tmp_path: Path, ending: str) -> None:
    path = pictures / f"a.{ending}"
    Image.effect_noise((256, 256), 80).convert("RGB").save(path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    assert found(model, pictures, tmp_path / "run") == ["photo-damaged"]


def test_one_pixel_photo(model: Path, pictures: Path, tmp_path: Path) -> None:
    Image.new("RGB", (1, 1)).save(pictures / "a.png")
    assert found(model, pictures, tmp_path / "run") == ["photo-too-small"]


def test_other_files_are_left_out_with_a_note(model: Path, pictures: Path, tmp_path: Path) -> None:
    (pictures / "Thumbs.db").write_bytes(b"x")
    (pictures / "photo-0.txt").write_text("a caption")
    report = check(configure(model, pictures), tmp_path / "run")
    assert not report.problems
    assert [note for note in report.notes if "Thumbs.db" in note and "photo-0.txt" not in note]


def test_advice_is_among_the_notes(model: Path, pictures: Path, tmp_path: Path) -> None:
    """And goes by the steps that epochs come to."""
    report = check(configure(model, pictures, instance_prompt="a photo of sks"), tmp_path / "run")
    assert not report.problems
    assert [note for note in report.notes if "does not name the class 'dog'" in note]
    assert [note for note in report.notes if "4 steps show each of 3 photos 1 times" in note]
    report = check(configure(model, pictures, num_train_epochs=600), tmp_path / "run")
    assert [note for note in report.notes if "1800 steps show each of 3 photos 600 times" in note]


def test_same_picture_twice_is_noted(model: Path, pictures: Path, tmp_path: Path) -> None:
    shutil.copy(pictures / "photo-0.png", pictures / "again.png")
    report = check(configure(model, pictures), tmp_path / "run")
    assert any("same picture" in note for note in report.notes)


def test_exif_orientation_is_honoured(tmp_path: Path) -> None:
    image = Image.new("RGB", (60, 40), "red")
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was turned by 90 degrees
    image.save(tmp_path / "a.jpg", exif=exif)
    assert open_photo(tmp_path / "a.jpg").size == (40, 60)


def test_transparency_becomes_white_and_sixteen_bits_eight(tmp_path: Path) -> None:
    Image.new("RGBA", (40, 40), (0, 0, 0, 0)).save(tmp_path / "a.png")
    assert open_photo(tmp_path / "a.png").getpixel((0, 0)) == (255, 255, 255)
    Image.new("I;16", (40, 40), 32768).save(tmp_path / "b.png")
    assert open_photo(tmp_path / "b.png").getpixel((0, 0)) == (128, 128, 128)
    assert [path.name for path in list_photos(tmp_path).photos] == ["a.png", "b.png"]


def test_model_missing(pictures: Path, tmp_path: Path) -> None:
    assert found(tmp_path / "none", pictures, tmp_path / "run") == ["model-missing"]


def test_model_without_index(model: Path, pictures: Path, tmp_path: Path) -> None:
    (model / "model_index.json").unlink()
    assert found(model, pictures, tmp_path / "run") == ["model-no-index"]


def test_model_without_unet_folder(model: Path, pictures: Path, tmp_path: Path) -> None:
    shutil.rmtree(model / "unet")
    assert found(model, pictures, tmp_path / "run") == ["model-without-unet"]


def test_model_without_unet_in_the_index(model: Path, pictures: Path, tmp_path: Path) -> None:
    index = json.loads((model / "model_index.json").read_text())
    del index["unet"]
    (model / "model_index.json").write_text(json.dumps(index))
    assert found(model, pictures, tmp_path / "run") == ["model-without-unet"]


def test_model_without_weights(model: Path, pictures: Path, tmp_path: Path) -> None:
    (model / "text_encoder" / "model.safetensors").unlink()
    assert found(model, pictures, tmp_path / "run") == ["model-without-text-encoder"]


def test_a_vae_that_does_not_fit(model: Path, pictures: Path, tmp_path: Path) -> None:
    other = Path(shutil.copytree(model / "vae", tmp_path / "vae"))
    config = json.loads((other / "config.json").read_text())
    (other / "config.json").write_text(json.dumps({**config, "latent_channels": 16}))
    settings = {"pretrained_vae_name_or_path": other}
    assert found(model, pictures, tmp_path / "run", **settings) == ["model-vae-mismatch"]
    shutil.copy(other / "config.json", model / "vae" / "config.json")
    assert found(model, pictures, tmp_path / "run") == ["model-vae-mismatch"]


def test_a_vae_without_config(model: Path, pictures: Path, tmp_path: Path) -> None:
    (tmp_path / "vae").mkdir()
    assert found(model, pictures, tmp_path / "run", pretrained_vae_name_or_path=tmp_path / "vae") == [
        "model-without-vae"
    ]


def test_model_of_a_wrong_class(model: Path, pictures: Path, tmp_path: Path) -> None:
    text = (model / "model_index.json").read_text().replace("StableDiffusionPipeline", "AudioLDMPipeline")
    (model / "model_index.json").write_text(text)
    assert found(model, pictures, tmp_path / "run") == ["model-unknown-family"]


def test_component_of_a_wrong_class(model: Path, pictures: Path, tmp_path: Path) -> None:
    text = (model / "model_index.json").read_text().replace("UNet2DConditionModel", "UNet1DModel")
    (model / "model_index.json").write_text(text)
    assert found(model, pictures, tmp_path / "run") == ["model-without-unet"]


@pytest.mark.parametrize("kept", [0, 5, 100, -10])
def test_truncated_weights(model: Path, pictures: Path, tmp_path: Path, kept: int) -> None:
    path = model / "unet" / "diffusion_pytorch_model.safetensors"
    path.write_bytes(path.read_bytes()[:kept])
    assert found(model, pictures, tmp_path / "run") == ["model-file-truncated"]


def test_header_longer_than_the_file(model: Path, pictures: Path, tmp_path: Path) -> None:
    path = model / "unet" / "diffusion_pytorch_model.safetensors"
    path.write_bytes(struct.pack("<Q", 2**60) + b"{}")
    assert found(model, pictures, tmp_path / "run") == ["model-file-truncated"]


def test_git_lfs_pointer(model: Path, pictures: Path, tmp_path: Path) -> None:
    path = model / "unet" / "diffusion_pytorch_model.safetensors"
    path.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 3\n")
    assert found(model, pictures, tmp_path / "run") == ["model-lfs-pointer"]


class _Evil:
    """Unpickling this would create a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> object:
        return Path.touch, (self.path,)


@pytest.mark.parametrize("zipped", [True, False])
def test_malicious_checkpoint_is_refused_and_not_run(pictures: Path, tmp_path: Path, zipped: bool) -> None:
    path, proof = tmp_path / "evil.ckpt", tmp_path / "proof"
    content = pickle.dumps({"state_dict": _Evil(proof)})
    if zipped:
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("archive/data.pkl", content)
    else:
        path.write_bytes(content)
    assert found(path, pictures, tmp_path / "run") == ["model-unsafe-pickle"]
    assert not proof.exists()


def test_malicious_bin_in_a_folder_is_refused(model: Path, pictures: Path, tmp_path: Path) -> None:
    (model / "unet" / "diffusion_pytorch_model.safetensors").unlink()
    (model / "unet" / "diffusion_pytorch_model.bin").write_bytes(pickle.dumps(_Evil(tmp_path / "proof")))
    assert found(model, pictures, tmp_path / "run") == ["model-unsafe-pickle"]


def test_honest_checkpoint_passes(pictures: Path, tmp_path: Path) -> None:
    import torch

    torch.save({"state_dict": {"a": torch.zeros(2)}}, tmp_path / "good.ckpt")
    assert found(tmp_path / "good.ckpt", pictures, tmp_path / "run") == []


@pytest.mark.parametrize("value", [0.5, 128.0, 32768.0])
def test_floating_point_photos_are_not_black(tmp_path: Path, value: float) -> None:
    Image.new("F", (40, 40), value).save(tmp_path / "a.tiff")
    assert open_photo(tmp_path / "a.tiff").getpixel((0, 0)) == pytest.approx((128, 128, 128), abs=1)


@pytest.mark.parametrize("name", ["lora_unet_mid_block.lora_down.weight", "decoder.conv_in.weight", "emb_params"])
def test_a_file_that_holds_no_whole_model(pictures: Path, tmp_path: Path, name: str) -> None:
    """A LoRA, a VAE and a textual inversion: found before torch is imported, not by the conversion."""
    torch = pytest.importorskip("torch")
    from safetensors.torch import save_file

    save_file({name: torch.zeros(2, 2)}, tmp_path / "file.safetensors")
    report = check(configure(tmp_path / "file.safetensors", pictures), tmp_path / "run")
    assert [problem.id for problem in report.problems] == ["convert-unknown-family"]


def test_unknown_model_file(pictures: Path, tmp_path: Path) -> None:
    (tmp_path / "model.gguf").write_bytes(b"GGUF")
    assert found(tmp_path / "model.gguf", pictures, tmp_path / "run") == ["model-unknown-file"]


def test_no_room(model: Path, pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=2**20))
    assert found(model, pictures, tmp_path / "run") == ["disk-full"]


@pytest.mark.skipif(not hasattr(__import__("os"), "geteuid"), reason="POSIX")
def test_no_write_permission(model: Path, pictures: Path) -> None:
    assert found(model, pictures, Path("/proc/run")) == ["run-not-writable"]


def test_no_prompt_and_no_class_prompt(model: Path, pictures: Path, tmp_path: Path) -> None:
    assert found(model, pictures, tmp_path / "run", instance_prompt="") == ["concept-incomplete"]
    assert found(model, pictures, tmp_path / "run", class_prompt="") == ["concept-incomplete"]
    assert found(model, pictures, tmp_path / "run", class_prompt="", with_prior_preservation=False) == []


def test_resolution_must_be_a_multiple_of_eight(model: Path, pictures: Path, tmp_path: Path) -> None:
    assert found(model, pictures, tmp_path / "run", resolution=65) == ["config-wrong-value"]


def test_prodigy_has_one_rate_for_all(model: Path, pictures: Path, tmp_path: Path) -> None:
    settings = {"optimizer": "prodigy", "learning_rate": 1, "train_text_encoder": True}
    assert found(model, pictures, tmp_path / "run", **settings, text_encoder_learning_rate=0.5) == [
        "config-wrong-value"
    ]
    assert found(model, pictures, tmp_path / "run", **settings, text_encoder_learning_rate=1) == []
    assert found(model, pictures, tmp_path / "run", **settings) == []
    alone = {**settings, "train_text_encoder": False, "text_encoder_learning_rate": 0.5}
    assert found(model, pictures, tmp_path / "run", **alone) == []


def test_concepts_list_with_an_unknown_key(model: Path, pictures: Path, tmp_path: Path) -> None:
    path = tmp_path / "concepts_list.json"
    path.write_text(json.dumps([{"instance_prompt": "a", "instance_dir": "b"}]))
    assert found(model, pictures, tmp_path / "run", concepts_list=path) == ["concept-incomplete"]


def test_check_imports_no_torch_and_ends_with_one(model: Path, tmp_path: Path) -> None:
    arguments = ["check", "--pretrained_model_name_or_path", str(model), "--instance_data_dir", str(tmp_path / "no")]
    arguments += ["--set", "instance_prompt=a", "--set", "class_prompt=b"]
    program = (
        f"import sys; from dreamboot_trainer.cli import main; code = main({arguments!r})\n"
        "assert 'torch' not in sys.modules\nsys.exit(code)"
    )
    answer = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False, env=_environment()
    )
    assert answer.returncode == 1, answer.stderr
    assert "There is no photo folder" in answer.stderr


def _environment() -> dict[str, str]:
    import os

    trainer = Path(__file__).resolve().parents[3] / "trainer"
    return {**os.environ, "PYTHONPATH": str(trainer)}
