"""Parts of the model that a phase does not need wait in main memory."""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")


pytestmark = pytest.mark.trainer


def test_parts_that_training_does_not_need_rest_and_wake_for_samples(tiny: Path) -> None:
    from dreamboot_trainer import pipeline
    from dreamboot_trainer.families import family_of
    from dreamboot_trainer.model_folder import read_folder

    folder = read_folder(tiny)
    loaded = pipeline.load(family_of(folder), folder, None, torch.device("cpu"))
    # A device that is there on every machine, holds no data, and therefore shows where a part has been put.
    loaded.device = torch.device("meta")
    with loaded.awake():
        assert loaded.vae.device.type == loaded.text.encoders[0].device.type == "meta"
    loaded = pipeline.load(family_of(folder), folder, None, torch.device("cpu"))
    loaded.device = torch.device("meta")
    loaded.text.encoders[0].requires_grad_(True)
    loaded.rest()
    assert loaded.resting
    loaded.resting = False  # what has been on this device has no data to come back with
    with loaded.awake():
        assert loaded.vae.device.type == "meta"
        assert loaded.text.encoders[0].device.type == "cpu"


def test_text_encoders_wait_in_main_memory_while_there_are_pixels(tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from dreamboot_trainer import pipeline
    from dreamboot_trainer.families import family_of
    from dreamboot_trainer.model_folder import read_folder

    folder = read_folder(tiny)
    loaded = pipeline.load(family_of(folder), folder, None, torch.device("cpu"))
    encoder, moves = loaded.text.encoders[0], []
    encoder.to("meta")
    loaded.device = torch.device("meta")
    monkeypatch.setattr(encoder, "to", lambda device: moves.append(device.type))
    with loaded.without_words():
        assert moves == ["cpu"]
    assert moves == ["cpu", "meta"]
    encoder.requires_grad_(True)
    with loaded.without_words():
        assert moves == ["cpu", "meta"]


def test_pictures_are_decoded_without_the_text_encoders(tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from dreamboot_trainer import pipeline
    from dreamboot_trainer.families import family_of
    from dreamboot_trainer.model_folder import read_folder

    folder = read_folder(tiny)
    loaded, seen = pipeline.load(family_of(folder), folder, None, torch.device("cpu")), []
    decode, way = loaded.vae.decode, pipeline.Pipeline.without_words

    @contextmanager
    def noted(self: Any) -> Any:
        seen.append("away")
        with way(self):
            yield
        seen.append("back")

    monkeypatch.setattr(pipeline.Pipeline, "without_words", noted)
    monkeypatch.setattr(loaded.vae, "decode", lambda latents: (seen.append("decode"), decode(latents))[1])
    text = loaded.embed(["a photo of a dog"])
    loaded.generate(pipeline.Request(seeds=(1,), height=64, width=64, guidance=1.0, steps=1), text, text)
    assert seen == ["away", "decode", "back"]
