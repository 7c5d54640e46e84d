"""Notes on words, photos and steps."""

from __future__ import annotations

from pathlib import Path

import pytest

from dreamboot_trainer.checks.advice import advise
from dreamboot_trainer.config_read import read
from dreamboot_trainer.data.concepts import subjects


def notes(folder: Path, *, photos: int = 5, **settings: object) -> str:
    folder.mkdir()
    for index in range(photos):
        (folder / f"{index}.jpg").write_bytes(b"")
    values = {"instance_prompt": "a photo of sks dog", "class_prompt": "a photo of a dog", "max_train_steps": 800}
    values |= {"instance_data_dir": folder, "pretrained_model_name_or_path": "model", **settings}
    config = read(None, [f"{name}={value}" for name, value in values.items()])
    return " ".join(advise(config, subjects(config, folder)).notes)


def test_good_settings_need_no_advice(tmp_path: Path) -> None:
    assert notes(tmp_path / "photos") == ""


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"instance_prompt": "a photo of sks"}, "does not name the class 'dog'"),
        ({"instance_prompt": "a photo of sks dog, at night."}, ""),
        ({"instance_prompt": "a photo of a dog"}, "no word of its own"),
        ({"photos": 2, "max_train_steps": 300}, "2 photo(s)"),
        ({"max_train_steps": 5000}, "overfitting is likely"),
        ({"max_train_steps": 800, "train_batch_size": 4}, "overfitting is likely"),
        ({"max_train_steps": 100}, "little is learnt"),
        ({"method": "lora"}, ""),
        ({"method": "lora", "learning_rate": 5e-6}, "learning_rate = 5e-06 is low for an adapter"),
        ({"method": "lora", "learning_rate": 5e-6, "optimizer": "sgd"}, ""),
        ({"learning_rate": 1e-4}, "--set learning_rate=5e-06 (DreamBooth paper"),
        ({"optimizer": "prodigy"}, ""),
        ({"learning_rate": 1e-4, "pretrained_model_name_or_path": "demo"}, ""),
    ],
)
def test_advice(tmp_path: Path, changes: dict[str, object], said: str) -> None:
    found = notes(tmp_path / "photos", **changes)
    assert said in found
    assert bool(found) == bool(said)
