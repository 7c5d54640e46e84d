"""The whole way, for real: one command on this machine, from nothing to a trained and exported model."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import time
from pathlib import Path

import pytest

from support.dreamboot import ROOT, Running, answer, call

pytestmark = [pytest.mark.long, pytest.mark.real]

# Few steps: that it learns is measured elsewhere; here it has to arrive, whole.
SHORT = tuple(
    word
    for setting in (
        "max_train_steps=6",
        "num_class_images=4",
        "num_inference_steps=4",
        "class_inference_steps=4",
        "validation_steps=0",
        "checkpointing_steps=3",
    )
    for word in ("--set", setting)
)
# What a person sees on stderr when each stage begins.
STAGES = (
    "lock:", "fetch:", "venv:", "install:", "verify:", "check:", "class-images:", "cache:", "train:", "export:",
)  # fmt: skip


@pytest.fixture(scope="module")
def result(home):
    """The finished `up --yes` of the demo."""
    begun = time.time()
    data = answer(home, "up", "--yes", *SHORT)
    data["wall"] = time.time() - begun
    return data


def sha256(path: str | Path) -> str:
    """Of a file."""
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()


def trained(run: Path) -> list[int]:
    """The steps that a run has told of, in order."""
    text = (run / "events.jsonl").read_text(encoding="utf-8")
    # The last line may be in the middle of being written.
    events = [json.loads(line) for line in text[: text.rfind("\n") + 1].splitlines()]
    return [event["done"] for event in events if event["event"] == "progress" and event["stage"] == "train"]


def test_it_ends_with_a_model_in_both_formats(result):
    model = Path(result["model"])
    assert (model / "model_index.json").is_file()
    for part in ("unet", "vae", "text_encoder", "tokenizer", "scheduler"):
        assert (model / part).is_dir()
    assert Path(result["checkpoint"]).stat().st_size > 1_000_000
    for picture in ("before_after", "loss_plot"):
        assert Path(result[picture]).read_bytes()[:4] == b"\x89PNG"


def test_its_events_tell_the_whole_story(result):
    lines = (Path(result["run"]) / "events.jsonl").read_text(encoding="utf-8").splitlines()
    events = [json.loads(line) for line in lines]
    assert trained(Path(result["run"]))[-1] == 6
    assert (events[-1]["event"], events[-1]["stage"]) == ("finished", "export")


def test_pictures_are_drawn_from_the_run_afterwards(result, home):
    words = ("--prompt", "a picture of a sks animal", "--pictures", "1", "--set", "num_inference_steps=2")
    drawn = [answer(home, "sample", *run, *words)["path"] for run in ((), (result["run"],))]
    assert [Path(path).name for path in drawn] == ["001.png", "002.png"]
    assert len({sha256(path) for path in drawn}) == 1
    assert Path(drawn[0]).read_bytes()[:4] == b"\x89PNG"
    told = call(home, "sample", "--json", "--model", str(home / "nothing"))
    assert (told.returncode, json.loads(told.stdout)["problem"]["id"]) == (1, "model-missing")


def test_the_best_model_of_the_run_is_named(result, home):
    picked = answer(home, "pick", result["run"], "--pictures", "1")
    assert picked["best"]["path"] == result["model"]
    assert call(home, "pick", "--pictures", "0").returncode == 2


def test_the_environment_is_locked_and_its_own(result, home):
    path = Path(result["environment"]["root"]) / "generations" / "1"
    lock = (path / "pylock.toml").read_text(encoding="utf-8")
    assert "sha256" in lock
    assert (path / "accelerate.yaml").is_file()
    shown = answer(home, "env", "show")
    assert shown["packages"]["diffusers"] >= "0.42"
    assert shown["packages"]["transformers"].startswith("5.")
    assert "torchvision" not in shown["packages"]


def test_the_same_command_again_has_nothing_to_build(result, home):
    begun = time.time()
    again = answer(home, "up", "--yes", *SHORT)
    assert again["environment"]["generation"] == 1
    assert again["run"] == result["run"]
    assert time.time() - begun < result["wall"]


def test_a_dry_run_changes_nothing(home, result):
    before = sorted(str(path) for path in home.rglob("*") if "cache" not in path.parts)
    data = answer(home, "up", "--yes", "--dry-run", "--set", "seed=99")
    assert data["plan"]["torch"]["version"]
    assert data["steps"]
    assert before == sorted(str(path) for path in home.rglob("*") if "cache" not in path.parts)


def test_killed_in_every_stage_it_goes_on_to_the_same_result(tmp_path, result, home):
    """SIGKILL of the whole process group as each stage begins, in one home; then the same bytes as undisturbed."""
    other = tmp_path / "killed"
    # The downloads are shared, as two homes of one user would not; fetching itself is killed in tests/unit/building.
    shutil.copytree(home / "tool", other / "tool", symlinks=True)
    killed = []
    for stage in STAGES:
        running = Running(other, "up", "--yes", *SHORT)
        if running.wait_for(stage):
            time.sleep(0.15)
            running.kill()
            killed.append(stage)
        else:
            assert running.finish() == 0, "\n".join(running.lines[-20:])
    assert len(killed) >= len(STAGES) - 2, killed
    last = answer(other, "up", "--yes", *SHORT)
    assert sha256(last["checkpoint"]) == sha256(result["checkpoint"])
    generations = answer(other, "env", "list")["environments"][0]["generations"]
    assert [entry["complete"] for entry in generations] == [True]


def test_ctrl_c_saves_and_the_same_command_goes_on(tmp_path, result, home):
    arguments = ("up", "--yes", *SHORT, "--output", str(tmp_path / "run"), "--set", "max_train_steps=40")
    running = Running(home, *arguments)
    assert running.wait_for("train:")
    run = tmp_path / "run"
    # Before the first step there is nothing to save.
    while running.is_alive() and not trained(run):
        time.sleep(0.1)
    assert running.interrupt() == 130
    assert any("interrupted" in line for line in running.lines), running.lines[-5:]
    checkpoints = [path for path in (run / "checkpoints").iterdir() if not path.name.endswith(".partial")]
    assert checkpoints
    data = answer(home, *arguments)
    steps = trained(run)
    assert steps == sorted(set(steps)), "no step is trained twice"
    assert Path(data["checkpoint"]).is_file()


def test_no_other_environment_leaks_in(tmp_path, home, result):
    """A poisoned PYTHONPATH, PYTHONHOME and an active venv change nothing."""
    poison = tmp_path / "poison"
    poison.mkdir()
    for name in ("torch", "numpy", "diffusers", "rich", "json_poison"):
        (poison / f"{name}.py").write_text("raise SystemExit('leaked')\n")
    environment = dict(os.environ, PYTHONPATH=str(poison), VIRTUAL_ENV=str(poison), CONDA_PREFIX=str(poison),
                       PIP_TARGET=str(poison), UV_INDEX_URL="http://127.0.0.1:9/nothing")  # fmt: skip
    done = call(home, "up", "--yes", "--json", *SHORT, env=environment)
    assert done.returncode == 0, done.stderr


def test_it_works_from_a_read_only_checkout(tmp_path, home, result):
    from support.dreamboot import command

    checkout = tmp_path / "read only ö"
    ignore = shutil.ignore_patterns(".git", "__pycache__", ".*_cache", "tests")
    shutil.copytree(ROOT, checkout, ignore=ignore)
    for path in [checkout, *checkout.rglob("*")]:
        path.chmod(0o555 if path.is_dir() else 0o444)
    try:
        import subprocess

        words = command(home, "detect", "--json", checkout=checkout)
        done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=300)
        assert done.returncode == 0, done.stderr
        assert not list(checkout.rglob("__pycache__"))
    finally:
        for path in [checkout, *checkout.rglob("*")]:
            path.chmod(0o755)
