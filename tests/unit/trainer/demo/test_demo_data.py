"""Captions and views of the demo's world."""

from __future__ import annotations

import random

import pytest

np = pytest.importorskip("numpy")
pytest.importorskip("PIL")

from dreamboot_trainer.demo.pretrain import data  # noqa: E402


@pytest.mark.parametrize(
    ("noun", "words"),
    [
        ("red apple", "a red apple"),
        ("airplane", "an airplane"),
        ("grapes", "grapes"),
        ("glass", "a glass"),
        ("octopus", "an octopus"),
        ("bacon", "bacon"),
        ("tennis ball", "a tennis ball"),
    ],
)
def test_nouns_get_the_right_article(noun, words):
    assert data.with_article(noun, ["bacon"]) == words


def test_the_world_holds_the_things_that_the_docs_promise():
    words = {thing.words for thing in data.things()}
    assert {"a red apple", "a cat face", "a dog face", "a slice of pizza", "a sunflower", "a red heart"} <= words
    assert {"an airplane", "a house"} <= words


def test_no_icon_is_listed_twice():
    icons = [thing.icon for thing in data.things()]
    assert len(icons) == len(set(icons))


def test_shares_of_empty_and_class_captions():
    rng = random.Random(1)
    owl = next(thing for thing in data.things() if thing.icon == "owl")
    drawn = [data.caption(owl, rng) for _ in range(4000)]
    empty = sum(text == "" for text in drawn) / len(drawn)
    plain = sum("animal" in text for text in drawn) / len(drawn)
    assert empty == pytest.approx(data.UNCONDITIONAL_SHARE, abs=0.02)
    assert plain == pytest.approx((1 - data.UNCONDITIONAL_SHARE) * data.CLASS_WORD_SHARE, abs=0.03)
    assert all("owl" in text for text in drawn if text and "animal" not in text)


def red_square():
    """An icon: an opaque red square on nothing."""
    icon = np.zeros((data.RESOLUTION, data.RESOLUTION, 4), np.uint8)
    icon[32:96, 32:96] = (255, 0, 0, 255)
    return icon


def test_a_view_shows_the_icon_whole_on_a_plain_background():
    for seed in range(5):
        view = np.asarray(data.compose(red_square(), True, random.Random(seed)), np.int16)
        corner = view[0, 0]
        plain = np.abs(view - corner).sum(-1) < 6
        red = np.abs(view - np.array([255, 0, 0])).sum(-1) < 6
        assert view.shape == (128, 128, 3)
        assert 0.6 * 64**2 < red.sum() < 1.0 * 64**2
        assert plain[0].all()
        assert plain[-1].all()


def test_views_are_the_same_for_the_same_seed_only():
    thing = data.Thing("square", "a square", ("a shape",), True)
    icons = red_square()[None]
    first, again, other = (data.views(icons, (thing,), 3, seed) for seed in (1, 1, 2))
    assert (first == again).all()
    assert (first != other).any()


def test_tensors_span_minus_one_to_one():
    pytest.importorskip("torch")
    tensor = data.as_tensor(np.array([[[[0, 127, 255]]]], np.uint8))
    assert tensor.shape == (1, 3, 1, 1)
    assert tensor.flatten().tolist() == pytest.approx([-1.0, -1 / 255, 1.0], abs=1e-6)


def test_rendering_reads_the_icon_set(tmp_path):
    pytest.importorskip("resvg_py")
    (tmp_path / "icons.json").write_text(
        '{"icons": {"dot": {"body": "<circle cx=\\"64\\" cy=\\"64\\" r=\\"32\\" fill=\\"#00f\\"/>"}}}'
    )
    drawn = data.render(tmp_path, (data.Thing("dot", "a dot", ("a shape",), True),))
    assert drawn.shape == (1, 128, 128, 4)
    assert drawn[0, 64, 64].tolist() == [0, 0, 255, 255]
    assert drawn[0, 0, 0, 3] == 0
    with pytest.raises(KeyError):
        data.render(tmp_path, (data.Thing("square", "a square", ("a shape",), True),))
