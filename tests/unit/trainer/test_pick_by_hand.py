"""The paper's metrics of whole models, worked out by hand: pictures of one colour, measured by colour."""

# ruff: noqa: E402 - the imports need torch, which not every environment has

from __future__ import annotations

import math
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from PIL import Image

from dreamboot_trainer.data.concepts import subjects
from dreamboot_trainer.fidelity import pick
from dreamboot_trainer.fidelity.encoders import Clip, Dino
from dreamboot_trainer.fidelity.lpips import Lpips, variety
from support.training import configure

pytestmark = pytest.mark.trainer
AS_THEY_ARE = ((0.0,) * 3, (1.0,) * 3)
RED, GREEN, BLUE, YELLOW = (255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 0)
HALF = 1 / math.sqrt(2)
"""Cosine of red and yellow, and of green and yellow; pure colours are at right angles."""


def picture(colour: tuple[int, int, int]) -> Any:
    return Image.new("RGB", (8, 8), colour)


def colour_of(pixels: Any) -> Any:
    return pixels.mean((2, 3))


class ByColour:
    """A network whose class token is the picture's colour; its other tokens are noise that nobody may look at."""

    def __call__(self, pixels: Any) -> Any:
        tokens = torch.rand(len(pixels), 5, 3)
        tokens[:, 0] = colour_of(pixels)
        return SimpleNamespace(last_hidden_state=tokens)


class WordsByColour:
    """CLIP, in whose space a text is the colour that it names."""

    config = SimpleNamespace(text_config=SimpleNamespace(max_position_embeddings=77))

    def get_image_features(self, pixels: Any) -> Any:
        return colour_of(pixels)

    def get_text_features(self, ids: Any, attention_mask: Any) -> Any:
        return ids.float()


def tokens_of(prompts: list[str], **_: object) -> Any:
    """Blue is what the rare word would add, were it left in."""
    rows = [[float("red" in p.split()), float("green" in p.split()), float("sks" in p.split())] for p in prompts]
    return SimpleNamespace(input_ids=torch.tensor(rows), attention_mask=None)


@pytest.fixture
def subject(tmp_path: Path, tiny: Path) -> Any:
    """A subject whose two photos are red and yellow."""
    photos = tmp_path / "photos"
    photos.mkdir()
    for name, colour in (("a", RED), ("b", YELLOW)):
        picture(colour).save(photos / f"{name}.png")
    prompts = '["a sks dog red", "a sks dog green"]'
    config = configure(tiny, photos, instance_prompt="a sks dog", class_prompt="a dog", validation_prompts=prompts)
    (found,) = subjects(config, tmp_path)
    return config, found


DRAWN = {
    "a sks dog red": (RED, GREEN, RED),
    "a sks dog green": (GREEN, YELLOW, GREEN),
    "a dog": (GREEN, BLUE),
}


def test_dino_pres_clip_and_div_of_a_model(subject: Any) -> None:
    config, found = subject
    dino, clip = Dino(ByColour(), 8, AS_THEY_ARE), Clip(WordsByColour(), tokens_of, 8, AS_THEY_ARE)
    encoders = pick.Encoders(images=(dino, clip), clip=clip)
    asked: list[str] = []

    def draw(prompt: str) -> Any:
        asked.append(prompt)
        return tuple(picture(colour) for colour in DRAWN[prompt])

    scores = {score.name: score for score in pick._of_subject(config, found, encoders, draw)}
    assert asked == list(DRAWN)
    # Each of the six pictures with each photo. Red: 1 and 1/sqrt 2; green: 0 and 1/sqrt 2; yellow: 1/sqrt 2 and 1.
    drawn = [1 + HALF, HALF, 1 + HALF, HALF, HALF + 1, HALF]
    assert scores["DINO"].value == pytest.approx(sum(drawn) / 12, abs=1e-5)
    assert scores["CLIP-I"].value == pytest.approx(sum(drawn) / 12, abs=1e-5)
    # Between the two photos, which is the most that a model could reach.
    assert scores["DINO"].real == scores["PRES"].real == pytest.approx(HALF, abs=1e-5)
    # Pictures of the class: green has 0 and 1/sqrt 2 with the photos, blue nothing.
    assert scores["PRES"].value == pytest.approx(HALF / 4, abs=1e-5)
    # Each picture with its own prompt, which no longer has the rare word: 1 0 1 for red, 1 1/sqrt 2 1 for green.
    assert scores["CLIP-T"].value == pytest.approx((1 + 0 + 1 + 1 + HALF + 1) / 6, abs=1e-5)


def test_div_is_the_mean_over_pairs_of_one_prompt_and_not_across_prompts(monkeypatch: pytest.MonkeyPatch) -> None:
    """With a distance that is 1 for different colours: of red, red, green 2 of 3 pairs differ, of blue, blue none."""
    monkeypatch.setattr(
        Lpips,
        "distances",
        lambda self, pixels: [
            float(not torch.equal(pixels[i], pixels[j])) for i in range(len(pixels)) for j in range(i + 1, len(pixels))
        ],
    )
    groups = [[picture(RED), picture(RED), picture(GREEN)], [picture(BLUE), picture(BLUE)]]
    assert variety(Lpips((), ()), groups) == pytest.approx(2 / 4)
