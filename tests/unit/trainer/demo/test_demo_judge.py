"""The judge and the scores that are made from its features."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("safetensors")
Image = pytest.importorskip("PIL.Image")

from dreamboot_trainer import demo  # noqa: E402
from dreamboot_trainer.demo import judge, learning  # noqa: E402


def photos():
    files = sorted(demo.PHOTOS_DIR.glob("*.png"))
    return learning.pixels([Image.open(file).convert("RGB").resize((128, 128)) for file in files])


def test_features_have_length_one():
    found = judge.features(torch.rand(3, 3, 128, 128))
    assert found.shape == (3, judge.FEATURES)
    assert found.dtype == torch.float32
    assert found.norm(dim=1).tolist() == pytest.approx([1.0] * 3, abs=1e-5)


def test_photos_of_the_subject_resemble_the_held_back_ones_and_nothing_else():
    subject = learning.subject_features()
    alike = (judge.features(photos()) @ subject.T).mean()
    torch.manual_seed(0)
    flat = torch.rand(8, 3, 1, 1).expand(8, 3, 128, 128)
    upside_down_colours = 1 - photos()
    assert alike > 0.7
    assert (judge.features(flat) @ subject.T).mean() < 0.4
    assert (judge.features(upside_down_colours) @ subject.T).mean() < alike - 0.3


def test_features_forgive_a_small_shift_and_some_noise():
    pictures = photos()
    torch.manual_seed(0)
    moved = torch.roll(pictures, (3, -2), (2, 3)) + 0.03 * torch.randn_like(pictures)
    assert (judge.features(pictures) * judge.features(moved)).sum(1).min() > 0.8


def test_scores_by_hand():
    east, north, west = torch.tensor([1.0, 0.0]), torch.tensor([0.0, 1.0]), torch.tensor([-1.0, 0.0])
    found = learning.from_features(
        instance=torch.stack([east, north]),
        plain=torch.stack([north, west]),
        base=torch.stack([north, north]),
        subject=torch.stack([east, east]),
    )
    assert found == learning.Scores(subject=0.5, leak=-0.5, diversity=1.0, kept=0.5)


def test_a_class_of_one_picture_has_no_diversity():
    same = torch.tensor([[1.0, 0.0]]).repeat(4, 1)
    assert learning.from_features(same, same, same, same).diversity == pytest.approx(0.0)
