"""Grids, pictures side by side and plots show what they say."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")
pytest.importorskip("PIL")

from PIL import Image

from dreamboot_trainer import lettering, pipeline, plots, sample
from support.training import configure, train

pytestmark = pytest.mark.trainer
COLOURS = ("red", "green", "blue", "black", "yellow", "magenta")


def squares() -> list[Any]:
    return [Image.new("RGB", (64, 64), colour) for colour in COLOURS]


def test_a_grid_has_a_row_for_each_prompt_and_a_column_for_each_seed() -> None:
    made = squares()
    grid = sample.draw_grid([made[:3], made[3:]], ["first", "second"], "title")
    places = [(x, y) for y in (80, 166) for x in (36, 104, 172)]
    assert [grid.getpixel(place) for place in places] == [each.getpixel((0, 0)) for each in made]


def ink(grid: Any, box: tuple[int, int, int, int]) -> Any:
    """The box around what is not white in a part of the picture."""
    from PIL import ImageChops

    part = grid.crop(box)
    found = ImageChops.difference(part, Image.new("RGB", part.size, "white")).getbbox()
    assert found is not None
    return found


def test_letters_of_a_grid_can_be_read_and_stay_inside() -> None:
    """Large pictures are shown small: their letters grow with them. A long prompt ends with an ellipsis."""
    small = sample.draw_grid([[Image.new("RGB", (64, 64), "white")] * 4], ["Hp"], "Hp")
    large = sample.draw_grid([[Image.new("RGB", (512, 512), "white")] * 4], ["Hp"], "Hp")
    heights = [bottom - top for _, top, _, bottom in (ink(each, (0, 0, *each.size)) for each in (small, large))]
    assert heights[0] >= 25
    assert heights[1] > 2.5 * heights[0]
    long = sample.draw_grid(
        [[Image.new("RGB", (64, 64), "white")]], ["a photo of a sks dog on the moon " * 9], "x" * 99
    )
    left, _, right, bottom = ink(long, (0, 0, *long.size))
    assert left >= 3
    assert right <= long.width - 3
    assert bottom <= long.height - 64


def test_lines_are_wrapped_at_words_and_shortened_at_the_end() -> None:
    letters = lettering.font(14)
    width = int(letters.getlength("a photo of")) + 1
    assert lettering.lines("a photo of sks", letters, width) == ("a photo of", "sks")
    assert lettering.lines("sks", letters, width) == ("sks",)
    assert lettering.lines("", letters, width) == ()
    one, other = lettering.lines("a photo of sks dogs upon the moon", letters, width)
    assert one == "a photo of"
    assert other.endswith("…")
    assert "sks dogs".startswith(other[:-1])
    assert all(letters.getlength(line) <= width for line in (one, other, *lettering.lines("x" * 99, letters, width)))


def test_without_a_scalable_font_labels_are_still_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """As before Pillow 10.1: no size can be asked for, and the bitmap font knows Latin-1 alone."""
    from PIL import ImageFont

    bitmap = ImageFont.load_default_imagefont()
    monkeypatch.setattr(ImageFont, "load_default", lambda: bitmap)
    grid = sample.draw_grid([[Image.new("RGB", (64, 64), "white")]], ["собака " * 9], "step 1")
    assert ink(grid, (0, 26, *grid.size))[3] > 5


def test_two_grids_lie_before_and_after(tmp_path: Path) -> None:
    red, green, *_ = squares()
    for name, picture in (("a", red), ("b", green)):
        picture.save(tmp_path / f"{name}.png")
    sample.beside(tmp_path / "a.png", tmp_path / "b.png", tmp_path / "both.png")
    with Image.open(tmp_path / "both.png") as both:
        assert both.getpixel((5, 32)) == red.getpixel((0, 0))
        assert both.getpixel((both.width - 5, 32)) == green.getpixel((0, 0))


def test_a_run_lays_its_first_and_last_grid_side_by_side(tiny: Path, photos: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    train(configure(tiny, photos, num_validation_images=1, max_train_steps=2, with_prior_preservation=False), run)
    first, last, both = (
        Image.open(run / "samples" / f"{name}.png") for name in ("step-000000", "step-000002", "before_after")
    )
    assert both.crop((0, 0, *first.size)).tobytes() == first.tobytes()
    assert both.crop((both.width - last.width, 0, both.width, last.height)).tobytes() == last.tobytes()
    assert first.tobytes() != last.tobytes()


def test_grids_of_other_prompts_are_not_compared(tiny: Path, photos: Path, tmp_path: Path) -> None:
    """Prompts may change when a run goes on; what an earlier call showed is then no picture of this one."""
    run = tmp_path / "run"
    settings = {"num_validation_images": 1, "with_prior_preservation": False, "validation_steps": 0}
    train(configure(tiny, photos, max_train_steps=1, validation_prompts="a dog", **settings), run)
    assert (run / "samples" / "before_after.png").is_file()
    train(configure(tiny, photos, max_train_steps=2, validation_prompts="a cat", **settings), run)
    assert not (run / "samples" / "before_after.png").exists()


def test_samples_of_every_step_have_the_prompts_and_seeds_of_the_settings(
    tiny: Path, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the pipeline is asked for; its pictures go into the grid in that order."""
    asked: list[tuple[str, tuple[int, ...], float, int]] = []
    embed, generate = pipeline.Pipeline.embed, pipeline.Pipeline.generate
    words: dict[int, str] = {}

    def embedded(self: Any, prompts: Any) -> Any:
        found = {name: rows.clone() for name, rows in embed(self, prompts).items()}
        words.update({rows.data_ptr(): prompts[0] for rows in found.values()})
        return found

    def generated(self: Any, request: Any, text: Any, negative: Any) -> Any:
        prompts = [words[next(iter(rows.values())).data_ptr()] for rows in (text, negative)]
        asked.append((" / ".join(prompts), request.seeds, request.guidance, request.steps))
        return generate(self, request, text, negative)

    monkeypatch.setattr(pipeline.Pipeline, "embed", embedded)
    monkeypatch.setattr(pipeline.Pipeline, "generate", generated)
    settings = {
        "validation_prompts": json.dumps(["a sks dog", "a cat"]), "num_validation_images": 2, "validation_seed": 40,
        "negative_prompt": "rain", "guidance_scale": 3.0, "num_inference_steps": 2, "validation_steps": 1,
        "max_train_steps": 2, "with_prior_preservation": False,
    }  # fmt: skip
    train(configure(tiny, photos, **settings), tmp_path / "run")
    assert asked == [(f"{prompt} / rain", (40, 41), 3.0, 2) for prompt in ("a sks dog", "a cat")] * 3


def test_the_same_seed_draws_the_same_picture_and_another_another(tiny: Path) -> None:
    import torch

    from dreamboot_trainer.families import family_of
    from dreamboot_trainer.model_folder import read_folder

    folder = read_folder(tiny)
    loaded = pipeline.load(family_of(folder), folder, None, torch.device("cpu"))
    text = loaded.embed(["a dog"])

    def draw(*seeds: int) -> list[bytes]:
        rows = pipeline.repeat(text, len(seeds))
        request = pipeline.Request(seeds=seeds, height=64, width=64, guidance=1.0, steps=2)
        return [picture.tobytes() for picture in loaded.generate(request, rows, rows)]

    one, two, again = draw(3, 4, 3)
    assert one == again != two
    assert draw(3) == [one]


def test_a_curve_goes_up_where_the_values_do(tmp_path: Path) -> None:
    records = [
        {"event": "progress", "stage": "train", "done": step, "data": {"loss": step / 10, "learning_rate": 1 / step}}
        for step in range(1, 11)
    ]
    plots.draw_loss([{"event": "started", "stage": "train"}, *records], tmp_path / "loss.png")
    plots.draw_rate(records, tmp_path / "rate.png")
    for name, goes_up in (("loss", True), ("rate", False)):
        with Image.open(tmp_path / f"{name}.png") as image:
            pixels = image.convert("RGB")
        dark = [
            (x, y)
            for x in range(pixels.width)
            for y in range(30, pixels.height - 48)
            if pixels.getpixel((x, y)) == (0x1F, 0x4E, 0x8C)
        ]
        left, right = min(dark), max(dark)
        assert right[0] - left[0] > 0.5 * pixels.width
        assert (left[1] > right[1]) is goes_up
        assert abs(left[1] - right[1]) > 0.5 * pixels.height


def test_running_means_and_round_numbers_by_hand() -> None:
    assert plots.smooth([2.0, 4.0, 6.0, 8.0], 2) == pytest.approx((2.0, 3.0, 5.0, 7.0))
    assert plots.smooth([2.0, 4.0], 25) == pytest.approx((2.0, 3.0))
    assert plots.ticks(0.13, 0.98) == pytest.approx((0.2, 0.4, 0.6, 0.8))
    assert plots.ticks(1, 100) == (20, 40, 60, 80, 100)
    assert plots.ticks(1, 4, least=1) == (1, 2, 3, 4)
    assert [plots.window_of(count) for count in (1, 4, 12, 300, 9000)] == [1, 4, 5, 30, 250]
    assert [plots.short(value) for value in (2e-4, 1.5e-5, 0.25, 300.0, 0.0)] == ["2e-4", "1.5e-5", "0.25", "300", "0"]


@pytest.mark.parametrize("values", [(2e-4,) * 9, (0.21, 0.4, 0.3), (-1.0, 3.0), (0.0, 0.0), (5e-6, 0.0)])
def test_the_axis_is_as_long_as_the_values_need(values: tuple[float, ...]) -> None:
    low, high = plots.limits(values)
    spread = max(values) - min(values)
    assert low < min(values) <= max(values) < high
    assert high - low <= max(1.11 * spread, 0.21 * (abs(values[0]) or 10) if spread == 0 else 0)
    assert 3 <= len(plots.ticks(low, high)) <= 8
    assert all(low <= tick <= high for tick in plots.ticks(low, high))


def test_a_step_that_was_repeated_counts_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[tuple[list[int], list[float]]] = []
    curve = plots.curve
    monkeypatch.setattr(plots, "curve", lambda s, v, *rest: drawn.append((list(s), list(v))) or curve(s, v, *rest))
    rows = [(1, 5.0), (2, 4.0), (1, 5.5), (2, 4.5), (3, 3.0)]
    records = [{"event": "progress", "stage": "train", "done": n, "data": {"loss": loss}} for n, loss in rows]
    plots.draw_loss(records, tmp_path / "loss.png")
    assert drawn == [([1, 2, 3], [5.5, 4.5, 3.0])]
