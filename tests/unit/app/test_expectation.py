"""What the summary of `up` promises before anything starts."""

from __future__ import annotations

from pathlib import Path

import pytest

from dreamboot.app import photos
from dreamboot.app.expectation import peak_memory, steps_for, training_time
from dreamboot.machine import assume
from dreamboot.model import Plan, Preset, SourceKind, TorchBuild, Wish
from dreamboot.planning import plan as decide

TORCH = TorchBuild(version="2.13.0", tag="cpu", source=SourceKind.FIND_LINKS)


def made(device: str, **preset: object) -> Plan:
    return Plan(python="3.11", torch=TORCH, device=device, preset=Preset(**preset))


@pytest.mark.parametrize(("photos", "steps"), [(0, 400), (1, 400), (5, 500), (12, 1200), (200, 1200)])
def test_steps_follow_the_photos_within_the_published_bounds(photos, steps):
    assert steps_for(photos) == steps


def test_a_published_speed_becomes_minutes():
    text = training_time(made("cuda", seconds_per_step=1.5), {"max_train_steps": "800"}, demo=False)
    assert "20 min" in text
    assert "T4" in text


@pytest.mark.parametrize("steps", ["", "many", "-3"])
def test_nothing_is_promised_where_nothing_is_known(steps):
    text = training_time(made("cuda", seconds_per_step=1.5), {"max_train_steps": steps}, demo=False)
    assert " min" not in text


def test_a_full_size_model_on_a_cpu_is_no_matter_of_minutes():
    assert "hours" in training_time(made("cpu"), {"max_train_steps": "800"}, demo=False)
    assert "18 GiB" in peak_memory(made("cpu"), demo=False)
    assert "2 GiB" in peak_memory(made("cpu"), demo=True)


def test_only_names_of_photos_count():
    assert photos.among(("a.JPG", "b.png", "notes.txt", ".hidden", ".jpg", "c.heic")) == ("a.JPG", "b.png", "c.heic")


def test_a_planned_t4_carries_its_published_speed(tmp_path):
    from dreamboot.catalog import load

    stated = Path(tmp_path) / "t4.toml"
    card = 'gpu = "Tesla T4"\nvram = "15 GiB"\ndriver = "580.95.05"\n'
    stated.write_text('os = "linux"\nlibc = "glibc 2.39"\npython = ["3.12.3"]\n' + card)
    planned = decide(assume(stated), Wish(), load())
    assert isinstance(planned, Plan)
    assert planned.preset.seconds_per_step
