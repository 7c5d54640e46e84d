"""A run's file is written once, when it begins; what later calls add, and what is refused, leaves it as it is."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path

import pytest

pytest.importorskip("torch")

from dreamboot.app.context import Context
from dreamboot.app.run_config import Run, begun, call_of, folder_of, taken_out
from dreamboot.app.train import _require_file, run_training
from dreamboot.host import current
from dreamboot.launching.several import Launch
from dreamboot.launching.trainer import trainer_environment, trainer_source
from dreamboot.model import DreambootError, Environment, Plan, SourceKind, TorchBuild
from dreamboot.terminal.options import config_file, settings_from
from dreamboot.values import parse_toml

pytestmark = pytest.mark.trainer

FLAGS = ("pretrained_model_name_or_path=demo", "instance_prompt=a sks dog", "class_prompt=a dog")


@pytest.fixture
def context(tmp_path):
    return Context(host=current(), home=tmp_path / "home", confirm=lambda _: True, yes=True, offline=True)


@pytest.fixture
def run(tmp_path):
    return Run(
        folder=tmp_path / "run",
        environment=Environment(name="test", root=str(tmp_path / "e"), generation=1, python=sys.executable, plan_id=""),
        plan=Plan(python="3.11", torch=TorchBuild(version="2.13.0", tag="cpu", source=SourceKind.FIND_LINKS)),
        settings=FLAGS,
    )


def called(context, run, base=None):
    """The call as the trainer's schema sees it."""
    variables = trainer_environment(context.host, trainer_source().parent, run.plan)
    return call_of(context, run, variables, base)


def test_a_run_that_begins_gets_a_file_with_all_that_was_told(context, run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run = replace(run, settings=(*FLAGS, "instance_data_dir=photos", "resume=never"), recipe="face")
    call = begun(context, run, called(context, run))
    table = parse_toml(run.config.read_text())
    # A flag's path is relative to where it was typed, and a run's own folder is where its file lies.
    assert table["data"]["instance_data_dir"] == str(tmp_path / "photos")
    assert table["output"]["output_dir"] == ""
    assert table["training"]["max_train_steps"] == 1200
    assert table["checkpoint"]["resume"] == "auto"
    assert call.words == ("--config", str(run.config), "--set", "resume=never")


def test_what_a_later_call_adds_are_its_flags(context, run):
    begun(context, run, called(context, run))
    before = run.config.read_bytes()
    later = replace(run, settings=("learning_rate=1e-5",), launch=Launch(processes=2))
    call = begun(context, later, called(context, later, run.config))
    assert run.config.read_bytes() == before
    assert call.table["optimizer"]["learning_rate"] == 1e-5
    assert call.words == ("--config", str(run.config), "--set", "learning_rate=1e-5", "--set", "num_processes=2")
    assert (call.launch.processes, call.table["training"]["num_processes"]) == (2, 2)


@pytest.mark.parametrize(
    ("output", "told", "file", "place"),
    [("a", "b", "c/config.toml", "a"), (None, "b", "c/config.toml", "b"), (None, "", "c/config.toml", "c")],
)
def test_where_a_run_lies(context, tmp_path, monkeypatch, output, told, file, place):
    monkeypatch.chdir(tmp_path)
    assert folder_of(context, Path(file), Path(output) if output else None, told) == tmp_path / place
    assert folder_of(context, None, None, "") == context.home / "runs" / "train"


def test_a_file_elsewhere_is_told_the_folder(context, run, tmp_path):
    own = tmp_path / "mine.toml"
    own.write_text('# my notes\n[data]\ninstance_data_dir = "photos"\n')
    begun(context, run, called(context, run, own))
    call = begun(context, run, called(context, run, own))
    assert own.read_text().startswith("# my notes")
    assert call.words[-2:] == ("--set", f"output_dir={run.folder}")
    assert parse_toml(run.config.read_text())["data"]["instance_data_dir"] == str(tmp_path / "photos")


@pytest.mark.parametrize("setting", ["resolution=500", "resolutoin=512"])
def test_what_is_refused_leaves_no_trace(context, run, setting):
    begun(context, run, called(context, run))
    before = {path: path.read_bytes() for path in run.folder.iterdir()}
    with pytest.raises(DreambootError) as caught:
        list(run_training(context, replace(run, settings=(*FLAGS, setting)), run.config))
    assert caught.value.problem.hint
    (run.folder / "run.lock").unlink(missing_ok=True)
    assert {path: path.read_bytes() for path in run.folder.iterdir()} == before


def test_a_runs_folder_stands_for_its_file(context, run, tmp_path):
    begun(context, run, called(context, run))
    assert config_file(str(run.folder)) == run.config
    with pytest.raises(DreambootError) as caught:
        _require_file(context, config_file(str(tmp_path)))
    assert "config.toml" in caught.value.problem.cause


def test_folder_and_recipe_are_taken_out_of_the_settings():
    settings = ("seed=1", "output_dir=a", "recipe=face", "output.output_dir=b c", "hflip=true")
    assert taken_out(settings, "recipe", "output_dir") == (("seed=1", "hflip=true"), ("face", "b c"))


def test_the_trainers_early_problem_is_in_the_events(tmp_path):
    """Half precision on a CPU is refused before a run's events are open: who follows them must learn of it."""
    from dreamboot_trainer.cli import main
    from support.tiny_sd import build_sd1, write_photos

    folder = tmp_path / "run"
    settings = [
        f"--pretrained_model_name_or_path={build_sd1(tmp_path / 'model')}",
        f"--instance_data_dir={write_photos(tmp_path / 'photos')}", "--instance_prompt=a sks dog",
        "--with_prior_preservation=false", "--resolution=64", "--mixed_precision=fp16", "--device=cpu",
        f"--output_dir={folder}",
    ]  # fmt: skip
    assert main(["train", *settings]) == 1
    last = json.loads((folder / "events.jsonl").read_text().splitlines()[-1])
    assert (last["event"], Path(folder / "config.toml").exists()) == ("failed", False)
    assert "fp16" in last["data"]["problem"]["what"]


def test_a_pasted_command_is_answered_in_one_go(context, run):
    pasted = "--use_8bit_adam --not_cache_latents --lr 1e-6 --xformers --resolution 5,5"
    settings = settings_from(pasted.split())
    with pytest.raises(DreambootError) as caught:
        called(context, replace(run, settings=settings, as_flags=True))
    problem = caught.value.problem
    assert problem.what == "There is no flag --use_8bit_adam."
    assert problem.cause.endswith("(and 4 more)")
    lines = problem.hint.splitlines()
    assert lines[:3] == [
        "Write --optimizer adamw8bit in place of --use_8bit_adam.",
        "Write --cache_latents false in place of --not_cache_latents.",
        "Write --learning_rate 1e-6 in place of --lr.",
    ]
    assert lines[3].startswith("Leave --xformers out: attention = auto takes")
    assert "data.resolution" in lines[4]


def test_where_flags_are_not_taken_settings_are_told_as_such(context, run):
    with pytest.raises(DreambootError) as caught:
        called(context, replace(run, settings=("lr=1e-6",)))
    assert caught.value.problem.hint == "Write --set learning_rate=1e-6 in place of lr."
