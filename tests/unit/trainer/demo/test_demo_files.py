"""What the built-in demo ships: a model of SD 1.x's layout, pictures of the subject, and settings."""

from __future__ import annotations

import json
import struct
import subprocess
import sys

import pytest

from dreamboot_trainer import config, demo


def header(file):
    """Tensor names with dtype and shape of a safetensors file, read without torch."""
    with file.open("rb") as stream:
        (length,) = struct.unpack("<Q", stream.read(8))
        table = json.loads(stream.read(length))
    table.pop("__metadata__", None)
    return table


def test_importing_the_demo_needs_no_torch():
    code = "import sys; from dreamboot_trainer import demo; print(demo.MODEL_DIR.is_dir(), 'torch' in sys.modules)"
    folder = str(demo.MODEL_DIR.parents[2])
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=folder, check=True)
    assert done.stdout.split() == ["True", "False"]


def test_the_model_is_at_most_25_megabytes():
    assert sum(file.stat().st_size for file in demo.MODEL_DIR.rglob("*")) <= 25e6


def test_the_judge_is_at_most_2_megabytes():
    assert (demo.MODEL_DIR.parent / "judge.safetensors").stat().st_size <= 2e6


@pytest.mark.parametrize(
    ("part", "file", "first", "count"),
    [
        # Counts of the published SD 1.5 folder: 686 UNet, 248 VAE and 196 text tensors (without position_ids).
        ("unet", "diffusion_pytorch_model.safetensors", "conv_in.weight", 686),
        ("vae", "diffusion_pytorch_model.safetensors", "decoder.conv_in.weight", 248),
        ("text_encoder", "model.safetensors", "text_model.embeddings.token_embedding.weight", 196),
    ],
)
def test_parts_have_the_tensors_of_sd_1(part, file, first, count):
    tensors = header(demo.MODEL_DIR / part / file)
    assert first in tensors
    assert len(tensors) == count
    assert {entry["dtype"] for entry in tensors.values()} == {"F16"}


def test_the_folder_names_every_part_and_switches_the_safety_checker_off():
    index = json.loads((demo.MODEL_DIR / "model_index.json").read_text())
    assert index["_class_name"] == "StableDiffusionPipeline"
    assert index["safety_checker"] == [None, None]
    assert all((demo.MODEL_DIR / name).is_dir() for name in ("unet", "vae", "text_encoder", "tokenizer", "scheduler"))


def test_noise_schedule_is_that_of_sd_1():
    schedule = json.loads((demo.MODEL_DIR / "scheduler" / "scheduler_config.json").read_text())
    wanted = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear", "steps_offset": 1}
    assert wanted.items() <= schedule.items()
    assert schedule["prediction_type"] == "epsilon"


def test_the_card_names_data_and_licence():
    card = (demo.MODEL_DIR / "MODEL_CARD.md").read_text()
    assert "Noto" in card
    assert "Apache" in card


def test_the_subject_has_six_photos_and_four_others_held_back():
    photos, held_back = (sorted(folder.glob("*.png")) for folder in (demo.PHOTOS_DIR, demo.HELD_BACK_DIR))
    assert (len(photos), len(held_back)) == (6, 4)
    assert len({file.read_bytes() for file in (*photos, *held_back)}) == 10


def test_the_recipe_is_made_of_keys_of_the_trainers_schema_and_cannot_be_changed():
    known = {key.name for key in config.keys()}  # noqa: SIM118 - a function of the module
    assert set(demo.settings()) <= known
    with pytest.raises(TypeError):
        demo.settings()["learning_rate"] = 1.0  # type: ignore[index]


def test_the_recipe_agrees_with_the_prompts_and_the_resolution():
    recipe = demo.settings()
    found = recipe["instance_prompt"], recipe["class_prompt"], recipe["resolution"]
    assert found == (demo.INSTANCE_PROMPT, demo.CLASS_PROMPT, demo.RESOLUTION)


def test_prompts_hold_the_token_and_the_class():
    assert demo.TOKEN in demo.INSTANCE_PROMPT.split()
    assert demo.TOKEN not in demo.CLASS_PROMPT.split()
    assert demo.CLASS_PROMPT.endswith(demo.CLASS_NOUN)
