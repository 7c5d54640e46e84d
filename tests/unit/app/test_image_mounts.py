"""Everything that a run names is mounted into its container, where it lies here."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from dreamboot.app.image_mounts import PATHS, absolute_settings, mount, mounts_for
from dreamboot.host import current


@pytest.fixture
def place(tmp_path):
    for name in ("photos", "class", "model", "vae", "run"):
        (tmp_path / name).mkdir()
    return tmp_path


def test_what_a_runs_file_names_in_its_sections(place):
    config = place / "run" / "config.toml"
    config.write_text(
        f'[model]\npretrained_model_name_or_path = "{place}/model"\npretrained_vae_name_or_path = "{place}/vae"\n'
        f'[[data.concepts]]\ninstance_data_dir = "../photos"\nclass_data_dir = "{place}/missing"\n'
    )
    found = dict(mounts_for(current(), config, (), place / "out"))
    assert {path for path, writable in found.items() if writable} == {str(place / "out")}
    assert {Path(path).resolve() for path in found} == {
        place / name for name in ("model", "vae", "photos", "run", "out")
    }


def test_what_settings_and_a_list_of_concepts_name(place):
    concepts = place / "concepts.json"
    concepts.write_text(json.dumps([{"instance_data_dir": f"{place}/photos", "class_data_dir": f"{place}/class"}]))
    settings = (f"data.concepts_list={concepts}", "pretrained_model_name_or_path=me/a-model")
    found = dict(mounts_for(current(), None, settings, place / "out"))
    assert set(found) == {str(place / name) for name in ("concepts.json", "photos", "class", "out")}


@pytest.mark.parametrize("text", ["{", "", "[1, null]"])
def test_a_broken_list_is_left_to_the_trainer(place, text):
    (place / "concepts.json").write_text(text)
    settings = (f"concepts_list={place}/concepts.json",)
    assert dict(mounts_for(current(), None, settings, place / "out"))[str(place / "concepts.json")] is False


@pytest.mark.parametrize("text", ["[a", "\x00", "a = 1\na = 2"])
def test_a_broken_file_is_left_to_the_trainer(place, text):
    (place / "run" / "config.toml").write_text(text)
    assert len(mounts_for(current(), place / "run" / "config.toml", (), place / "out")) == 2


@pytest.mark.parametrize("path", ["/a,b", '/my "photos", mine', "/plain folder"])
def test_an_engine_reads_the_path_that_was_meant(path):
    (row,) = csv.reader([mount(Path(path), path, writable=False)])
    assert row == ["type=bind", f"source={path}", f"target={path}", "readonly"]
    assert mount(Path("/run"), "/data", writable=True) == "type=bind,source=/run,target=/data"


def test_relative_paths_of_settings_mean_this_folder(place, monkeypatch):
    monkeypatch.chdir(place)
    settings = (
        "instance_data_dir=photos", "output_dir=new", "pretrained_model_name_or_path=model", "tokenizer_name=me/words",
        "instance_prompt=photos", "data.class_data_dir=", "pretrained_vae_name_or_path=demo",
    )  # fmt: skip
    assert absolute_settings(current(), settings) == (
        f"instance_data_dir={place}/photos", f"output_dir={place}/new", f"pretrained_model_name_or_path={place}/model",
        *settings[3:],
    )  # fmt: skip


def test_every_path_of_the_schema_is_known():
    pytest.importorskip("dreamboot_trainer.config")
    from dreamboot_trainer.config_read import MODEL_PATHS
    from dreamboot_trainer.config_read import PATHS as TRAINERS

    assert set(PATHS) == {*TRAINERS, *MODEL_PATHS}
