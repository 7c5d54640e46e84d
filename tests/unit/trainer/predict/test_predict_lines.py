"""What people read of a prediction."""

from __future__ import annotations

import argparse

import pytest

pytest.importorskip("torch")

from dreamboot_trainer.predict.cli import mebibytes
from dreamboot_trainer.predict.fit import Fit
from dreamboot_trainer.predict.lines import of_fit, of_request, pace
from dreamboot_trainer.predict.prediction import Prediction


def prediction(step: int, samples: int = 2048) -> Prediction:
    parts = {"weights": step - 300}
    return Prediction(parts=parts, allocator=30, context=270, seconds=1, moments={"step": step, "samples": samples})


def fits(asked: Prediction | None, **settings: object) -> Fit:
    return Fit(
        settings=settings, slowdown=1.2, changes=False, prediction=prediction(11264), asked=asked, why=("why it is so",)
    )


def test_what_is_asked_for_comes_first_and_its_tables_have_names_and_columns():
    lines = of_request(prediction(20890))
    assert lines[0] == "Asked for: 20.4 GiB (20890 MiB) at most, in a step."
    assert "  samples                   2.0     2048" in lines
    assert "Most by part, in a step     GiB      MiB" in lines
    assert lines[-1] == "  in all                   20.4    20890"
    assert len({len(line) for line in lines[1:] if line}) == 1


def test_the_largest_moment_is_the_one_that_is_named():
    found = Prediction(parts={"weights": 100}, allocator=0, context=0, seconds=1, moments={"step": 90, "photos": 100})
    assert of_request(found)[0].endswith("at most, while photos are encoded.")


def test_a_request_that_does_not_fit_is_told_with_what_does():
    asked, settings, cost, why, *tables = of_fit(fits(prediction(20890), optimizer="adamw8bit", hflip=True), 12000)
    assert asked == "Asked for: 20.4 GiB (20890 MiB) at most, in a step; does not fit 11.7 GiB (12000 MiB)."
    assert settings == "Fits with: --optimizer adamw8bit --hflip true"
    assert cost == (
        "  11.0 GiB (11264 MiB) at most, in a step; about 20 % slower (seconds per picture); the same result."
    )
    assert why == "  why it is so"
    assert "  in all                   11.0    11264" in tables


def test_of_a_recording_that_ended_early_no_number_is_made_up():
    lines = of_fit(fits(None, optimizer="adamw8bit"), 12000)
    assert lines[0] == "Asked for: more than 11.7 GiB (12000 MiB); does not fit."


def test_a_request_that_fits_is_told_once():
    lines = of_fit(fits(prediction(11264)), 12000)
    assert lines[0] == "Asked for: 11.0 GiB (11264 MiB) at most, in a step; fits 11.7 GiB (12000 MiB)."
    assert not any(line.startswith("Fits with") for line in lines)


@pytest.mark.parametrize(("slowdown", "said"), [(1.2, "20 % slower"), (0.83, "17 % faster"), (1.0, "as fast")])
def test_the_pace_is_said_in_words(slowdown, said):
    assert said in pace(slowdown)


@pytest.mark.parametrize(
    ("text", "mib"),
    [("12GB", 11444), ("12GiB", 12288), ("12000", 12000), ("12000MiB", 12000), ("11.5 gib", 11776), ("12000MB", 11444)],
)
def test_sizes_of_cards(text, mib):
    assert mebibytes(text) == mib


@pytest.mark.parametrize("text", ["", "0", "-1", "12TB", "GB", "12,5GB", "0.1"])
def test_what_is_no_size(text):
    with pytest.raises(argparse.ArgumentTypeError):
        mebibytes(text)
