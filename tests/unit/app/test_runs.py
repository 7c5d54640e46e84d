"""Which run is meant: a folder, a file, a name in the home, or the newest; and where its pictures go."""

from __future__ import annotations

import os

import pytest

from dreamboot.app.runs import config_of, free_name
from dreamboot.building.layout import Layout
from dreamboot.host import current
from dreamboot.model import DreambootError

HOST = current()


@pytest.fixture
def layout(tmp_path):
    """A home with two runs, of which `older` was configured first, and a folder that is none."""
    layout = Layout(home=tmp_path)
    for age, name in ((100, "older"), (50, "newer")):
        config = layout.runs / name / "config.toml"
        config.parent.mkdir(parents=True)
        config.write_text("")
        stamp = config.stat().st_mtime - age
        os.utime(config, (stamp, stamp))
    (layout.runs / "stray").mkdir()
    return layout


def test_a_run_is_named_in_four_ways(layout):
    older, newer = (layout.runs / name / "config.toml" for name in ("older", "newer"))
    assert config_of(HOST, layout, "") == newer
    assert config_of(HOST, layout, "older") == older
    assert config_of(HOST, layout, str(older.parent)) == older
    assert config_of(HOST, layout, str(older)) == older


def test_what_the_run_was_last_made_with_is_preferred(layout):
    resolved = layout.runs / "older" / "resolved.toml"
    resolved.write_text("")
    assert config_of(HOST, layout, "older") == resolved
    other = layout.runs / "older" / "other.toml"
    other.write_text("")
    assert config_of(HOST, layout, str(other)) == other


@pytest.mark.parametrize("name", ["stray", "nothere", "/"])
def test_what_is_no_run_is_told_with_those_that_are(layout, name):
    with pytest.raises(DreambootError) as caught:
        config_of(HOST, layout, name)
    assert caught.value.problem.id == "run-missing"
    assert "older" in caught.value.problem.cause


def test_without_a_run_the_way_to_one_is_told(tmp_path):
    with pytest.raises(DreambootError) as caught:
        config_of(HOST, Layout(home=tmp_path), "")
    assert caught.value.problem.id == "no-runs"
    assert "dreamboot up" in caught.value.problem.hint


def test_no_picture_is_written_over(tmp_path):
    assert free_name(HOST, tmp_path / "pictures").name == "001.png"
    for name in ("001.png", "003.png"):
        (tmp_path / name).touch()
    assert free_name(HOST, tmp_path).name == "002.png"
