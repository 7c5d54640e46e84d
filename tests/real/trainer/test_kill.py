"""kill -9 at any moment: the same command goes on and ends with the same losses and weights, bit for bit."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")

from dreamboot_trainer.config_read import dump, read
from dreamboot_trainer.events import read_events
from support.tiny_sd import build_sd1, write_photos

pytestmark = [pytest.mark.real, pytest.mark.trainer]

STEPS = 12
Record = dict[str, Any]


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A miniature model and photos."""
    folder = tmp_path_factory.mktemp("inputs")
    build_sd1(folder / "model")
    write_photos(folder / "photos")
    return folder


@pytest.fixture(scope="module")
def whole(inputs: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run that nothing disturbs."""
    run = make_run(inputs, tmp_path_factory.mktemp("whole") / "run")
    assert start(run, lambda _: False) == 0
    return run


def make_run(inputs: Path, run: Path, **more: object) -> Path:
    changes = {
        "pretrained_model_name_or_path": inputs / "model",
        "instance_data_dir": inputs / "photos",
        "instance_prompt": "a photo of sks dog",
        "class_prompt": "a photo of a dog",
        "resolution": 64,
        "num_class_images": 5,
        "sample_batch_size": 2,
        "class_inference_steps": 2,
        "max_train_steps": STEPS,
        "train_batch_size": 2,
        "learning_rate": 1e-3,
        "lr_scheduler": "cosine",
        "train_text_encoder": "true",
        "use_ema": "true",
        "hflip": "true",
        "num_validation_images": 1,
        "num_inference_steps": 2,
        "validation_steps": 4,
        "checkpointing_steps": 3,
        "save_original": "false",
        "device": "cpu",
        **more,
    }
    run.mkdir(parents=True)
    config = read(None, [f"{name}={value}" for name, value in changes.items()])
    (run / "config.toml").write_text(dump(config), encoding="utf-8")
    return run


def start(run: Path, kill: Callable[[Record], bool]) -> int:
    """Train in a process of its own; SIGKILL it at the first event for which `kill` says so. The return code."""
    trainer = Path(__file__).resolve().parents[3] / "trainer"
    environment = {**os.environ, "PYTHONPATH": str(trainer), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "dreamboot_trainer", "train", "--json", "--config", str(run / "config.toml")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if line.startswith("{") and kill(json.loads(line)):
                process.kill()
                break
        process.communicate()
    return process.returncode


def at(stage: str, done: int | None = None) -> Callable[[Record], bool]:
    """True at the first event of a stage, or at its `done`th."""
    return lambda record: record["stage"] == stage and (done is None or record.get("done") == done)


def every_loss(run: Path) -> set[tuple[int, float]]:
    """(step, loss) of every step that was ever made, repeated ones too."""
    return {
        (record["done"], record["data"]["loss"])
        for record in read_events(run / "events.jsonl")
        if record["event"] == "progress" and record["stage"] == "train"
    }


def assert_equal_ends(run: Path, whole: Path) -> None:
    import torch
    from safetensors.torch import load_file

    # As a set: a step that was repeated after a kill must have had the same loss, or the sets differ.
    assert every_loss(run) == every_loss(whole)
    for name in ("weights.safetensors", "average.safetensors"):
        mine, theirs = (load_file(root / "checkpoints" / f"step-{STEPS:06d}" / name) for root in (run, whole))
        assert all(torch.equal(mine[key], theirs[key]) for key in theirs)
    for path in sorted((whole / "model").rglob("*.safetensors")):
        assert path.read_bytes() == (run / path.relative_to(whole)).read_bytes()
    assert not list(run.rglob("*.partial"))


def test_killed_at_random_steps(inputs: Path, whole: Path, tmp_path: Path) -> None:
    run = make_run(inputs, tmp_path / "run")
    chance = random.Random()
    steps = sorted(chance.sample(range(1, STEPS), 3))
    print("killed after steps", steps)
    for step in steps:
        assert start(run, at("train", step)) == -9
    assert start(run, lambda _: False) == 0
    assert_equal_ends(run, whole)


WITHOUT_CACHE = {
    "cache_latents": "false", "center_crop": "false", "dataloader_num_workers": 2, "gradient_accumulation_steps": 2,
    "text_encoder_steps": 5, "checkpointing_steps": 1, "validation_steps": 0, "save_interval": 4,
}  # fmt: skip


def test_killed_at_any_moment_with_photo_threads_accumulation_and_a_text_encoder_that_stops(
    inputs: Path, tmp_path: Path
) -> None:
    """A checkpoint after every step, and kills up to a fifth of a second after it: also in the middle of one."""
    whole, run = (make_run(inputs, tmp_path / name, **WITHOUT_CACHE) for name in ("whole", "run"))
    assert start(whole, lambda _: False) == 0
    chance = random.Random()
    moments = sorted((step, chance.random() / 5) for step in chance.sample(range(1, STEPS), 3))
    print("killed after (steps, seconds)", moments)
    for step, seconds in moments:

        def late(record: Record, step: int = step, seconds: float = seconds) -> bool:
            if at("train")(record) and record.get("done", 0) >= step:
                time.sleep(seconds)
                return True
            return False

        assert start(run, late) == -9
    assert start(run, lambda _: False) == 0
    assert_equal_ends(run, whole)
    for path in sorted((whole / "saves").rglob("*.safetensors")):
        assert path.read_bytes() == (run / path.relative_to(whole)).read_bytes()


def test_killed_in_every_stage(inputs: Path, whole: Path, tmp_path: Path) -> None:
    run = make_run(inputs, tmp_path / "run")
    for moment in (at("prepare"), at("class-images", 2), at("cache", 3), at("sample"), at("save")):
        assert start(run, moment) == -9
    assert start(run, lambda _: False) == 0
    assert_equal_ends(run, whole)


def test_two_processes_learn_what_one_does_with_accumulation(inputs: Path, tmp_path: Path) -> None:
    one, two = make_run(inputs, tmp_path / "one"), make_run(inputs, tmp_path / "two")
    settings = ["--train_batch_size", "1", "--max_train_steps", "4", "--num_class_images", "4"]
    trainer = Path(__file__).resolve().parents[3] / "trainer"
    environment = {**os.environ, "PYTHONPATH": str(trainer), "OMP_NUM_THREADS": "1", "ACCELERATE_USE_CPU": "true"}
    program = ["-m", "dreamboot_trainer", "train", "--config"]
    subprocess.run(
        [sys.executable, *program, str(one / "config.toml"), *settings, "--gradient_accumulation_steps", "2"],
        check=True,
        env=environment,
    )
    launcher = [sys.executable, "-m", "torch.distributed.run", "--nproc_per_node", "2"]
    subprocess.run(
        [*launcher, *program, str(two / "config.toml"), *settings, "--num_processes", "2"], check=True, env=environment
    )
    single, double = (dict(sorted(every_loss(run))) for run in (one, two))
    assert list(double.values()) == pytest.approx(list(single.values()), rel=1e-4)
    for path in sorted((one / "class_images").iterdir()):
        assert path.read_bytes() == (two / "class_images" / path.name).read_bytes()
