"""Sharded training in two processes: what one process learns, in halves, with the same checkpoints and results."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest

pytest.importorskip("torch")

import torch

from dreamboot_trainer.config_read import dump
from dreamboot_trainer.events import read_events
from support.stated_environment import train_command, variables, write_home
from support.tiny_flow import build_flux
from support.tiny_sd import build_sd1, write_photos
from support.training import configure, losses, train

pytestmark = [pytest.mark.real, pytest.mark.trainer]

LIMIT = 240
STEPS = 10
PROGRESS = ("progress", "train")
SHORT = {"max_train_steps": 3, "checkpointing_steps": 3}
# Gradients of about Adam's epsilon: only so does their size matter to it.
TIGHT = 1e-5
# Where a gradient is nearly zero, Adam's step has the sign of its rounding, unless epsilon is well above that.
STEADY = {"adam_epsilon": 1e-4}
CASES: dict[str, tuple[str, dict[str, object]]] = {
    "whole": ("sd1", {**STEADY, "save_original": True}),
    "clipped": ("sd1", {**SHORT, "max_grad_norm": TIGHT}),
    "everything": (
        "sd1",
        {
            **SHORT, **STEADY, "train_text_encoder": True, "gradient_checkpointing": True, "use_ema": True,
            "save_interval": 2, "num_validation_images": 1, "validation_steps": 2, "gradient_accumulation_steps": 2,
        },
    ),
    "lora": ("sd1", {**SHORT, **STEADY, "method": "lora"}),
    "flux": ("flux", {**SHORT, **STEADY, "method": "lora"}),
}  # fmt: skip
RESUMED = {"sharded-again": "full", "no-longer-sharded": "none"}


@dataclass(frozen=True)
class Runs:
    """Folders: of each case's run in one process and in two, and of what both were made from."""

    inputs: Path
    one: Path
    two: Path


def config_of(inputs: Path, name: str, **changes: object) -> Any:
    model, settings = CASES[name]
    shared = {"max_train_steps": STEPS, "checkpointing_steps": 4, "checkpoints_total_limit": 0, "sample_batch_size": 1}
    classes = {"num_class_images": 4, "class_data_dir": inputs / f"class-{model}", "save_precision": "fp32"}
    return configure(inputs / model, inputs / "photos", **{**shared, **classes, **settings, **changes})


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Runs:
    """Every case in one process with twice the accumulation, and sharded in two."""
    found = Runs(*(tmp_path_factory.mktemp(name) for name in ("inputs", "one", "two")))
    build_sd1(found.inputs / "sd1")
    build_flux(found.inputs / "flux")
    write_photos(found.inputs / "photos")
    for name, (_, settings) in CASES.items():
        twice = 2 * int(str(settings.get("gradient_accumulation_steps", 1)))
        train(config_of(found.inputs, name, gradient_accumulation_steps=twice), found.one / name)
    cases = [case(found, name, name, "full") for name in CASES]
    fourth = str(found.two / "whole" / "checkpoints" / "step-000004")
    cases += [case(found, name, "whole", sharding) | {"from": fourth} for name, sharding in RESUMED.items()]
    told = found.two / "cases.json"
    told.write_text(json.dumps(cases), encoding="utf-8")
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--local-addr", "127.0.0.1"]
    code = variables()
    code["PYTHONPATH"] += f":{Path(__file__).parents[2]}"
    done = subprocess.run(
        [*launcher, "--nproc-per-node", "2", "-m", "support.sharded_runs", str(told)],
        env=code, capture_output=True, text=True, timeout=LIMIT, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-6000:]
    return found


def case(runs: Runs, run: str, name: str, sharding: str) -> dict[str, str]:
    (runs.two / run).mkdir()
    config = runs.two / run / "config.toml"
    config.write_text(dump(config_of(runs.inputs, name, sharding=sharding)), encoding="utf-8")
    return {"run": str(runs.two / run), "config": str(config), "from": ""}


def events(run: Path) -> tuple[dict[str, Any], ...]:
    return read_events(run / "events.jsonl") if (run / "events.jsonl").exists() else ()


def tensors(path: Path) -> dict[str, Any]:
    from safetensors.torch import load_file

    return load_file(path)


def same(found: dict[str, Any], expected: dict[str, Any]) -> None:
    """Same names, shapes and formats; values but for the order of sums."""
    assert {name: (tensor.shape, tensor.dtype) for name, tensor in found.items()} == {
        name: (tensor.shape, tensor.dtype) for name, tensor in expected.items()
    }
    for name, tensor in found.items():
        # A step moves a weight by up to 1e-3; seen were 8e-6. In fp16 the next number after 1 is 1e-3 away.
        near = 1e-4 if tensor.dtype is torch.float32 else 1e-3
        assert torch.allclose(tensor.float(), expected[name].float(), rtol=0, atol=near), name


@pytest.mark.parametrize("name", CASES)
def test_losses_are_those_of_one_process_with_twice_the_accumulation(runs: Runs, name: str) -> None:
    one, two = losses(events(runs.one / name)), losses(events(runs.two / name))
    told = [e["done"] for e in events(runs.two / name) if (e["event"], e["stage"]) == PROGRESS]
    assert told == list(range(1, (STEPS if name == "whole" else 3) + 1))  # by one writer, each once
    assert two == {step: pytest.approx(loss, rel=1e-4) for step, loss in one.items()}


@pytest.mark.parametrize("name", CASES)
def test_every_process_holds_half_of_weights_and_optimizer_state(runs: Runs, name: str) -> None:
    (whole,) = held(runs.one / name)
    halves = held(runs.two / name)
    assert len(halves) == 2
    for part in ("weights", "optimizer"):
        assert all(half[part] == pytest.approx(whole[part] / 2, rel=0.01) for half in halves)
        assert sum(half[part] for half in halves) == pytest.approx(whole[part], rel=0.01)


def held(run: Path) -> list[dict[str, int]]:
    (found,) = [e["data"]["held_bytes"] for e in events(run) if (e["event"], e["stage"]) == ("finished", "train")]
    return list(found)


def test_the_norm_of_gradients_is_that_of_all_parts_and_clipping_has_its_effect(runs: Runs) -> None:
    one, two = (
        [e["data"]["gradient_norm"] for e in events(side / "clipped") if (e["event"], e["stage"]) == PROGRESS]
        for side in (runs.one, runs.two)
    )
    assert two == pytest.approx(one, rel=1e-3)
    assert min(two) > 1
    clipped, free = losses(events(runs.two / "clipped")), losses(events(runs.two / "whole"))
    assert clipped[1] == free[1]
    assert abs(clipped[3] - free[3]) > 0.01 * free[3]


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("whole", "model/unet/diffusion_pytorch_model.safetensors"), ("whole", "model.safetensors"),
        ("everything", "model/unet/diffusion_pytorch_model.safetensors"),
        ("everything", "model/text_encoder/model.safetensors"),
        ("everything", "saves/step-000002/unet/diffusion_pytorch_model.safetensors"),
        ("lora", "model/pytorch_lora_weights.safetensors"), ("flux", "model/pytorch_lora_weights.safetensors"),
    ],
)  # fmt: skip
def test_the_result_is_the_one_of_a_run_that_was_not_sharded(runs: Runs, name: str, path: str) -> None:
    same(tensors(runs.two / name / path), tensors(runs.one / name / path))


def test_the_model_loads_and_draws(runs: Runs) -> None:
    import diffusers

    loaded: Any = diffusers.StableDiffusionPipeline
    pipeline = loaded.from_pretrained(runs.two / "whole" / "model", local_files_only=True)
    pipeline.set_progress_bar_config(disable=True)
    picture = pipeline("a photo of sks dog", height=64, width=64, num_inference_steps=1).images[0]
    assert picture.size == (64, 64)


def test_samples_are_drawn_by_both_and_written_once(runs: Runs) -> None:
    grids = sorted(path.name for path in (runs.two / "everything" / "samples").glob("*.png"))
    assert grids == sorted(path.name for path in (runs.one / "everything" / "samples").glob("*.png"))
    assert "step-000002.png" in grids


@pytest.mark.parametrize("name", ["whole", "everything"])
def test_a_checkpoint_is_whole_and_as_that_of_one_process(runs: Runs, name: str) -> None:
    last = f"checkpoints/step-{STEPS if name == 'whole' else 3:06d}"
    one, two = runs.one / name / last, runs.two / name / last
    assert sorted(path.name for path in two.iterdir()) == sorted(path.name for path in one.iterdir())
    for weights in two.glob("*.safetensors"):
        same(tensors(weights), tensors(one / weights.name))
    state, expected = (torch.load(side / "optimizer.pt", weights_only=True)["optimizer"] for side in (two, one))
    assert state["state"].keys() == expected["state"].keys()
    for index, moments in state["state"].items():
        same(moments, expected["state"][index])


def test_a_resumed_run_makes_the_same_losses_bit_for_bit(runs: Runs) -> None:
    resumed, whole = losses(events(runs.two / "sharded-again")), losses(events(runs.two / "whole"))
    assert resumed == {step: loss for step, loss in whole.items() if step > 4}
    last = f"checkpoints/step-{STEPS:06d}/weights.safetensors"
    again, first = tensors(runs.two / "sharded-again" / last), tensors(runs.two / "whole" / last)
    assert all(torch.equal(tensor, first[name]) for name, tensor in again.items())


def test_a_run_goes_on_without_sharding_from_a_sharded_checkpoint(runs: Runs) -> None:
    resumed, whole = losses(events(runs.two / "no-longer-sharded")), losses(events(runs.two / "whole"))
    assert resumed == {step: pytest.approx(loss, rel=1e-4) for step, loss in whole.items() if step > 4}


def test_killed_and_started_again_it_makes_the_losses_of_the_undisturbed_run(runs: Runs, tmp_path: Path) -> None:
    run = tmp_path / "run"
    run.mkdir()
    (run / "config.toml").write_text(dump(config_of(runs.inputs, "whole", save_original=False)), encoding="utf-8")
    home = write_home(tmp_path / "home")
    command = train_command(home, "--config", str(run / "config.toml"), "--processes", "2", "--sharding", "full")
    step = random.Random().randint(1, 7)
    print("killed after step", step)
    with subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=variables()
    ) as process:
        until = time.monotonic() + LIMIT
        while len(losses(events(run))) < step:
            assert process.poll() is None, process.communicate()[0]
            assert time.monotonic() < until
            time.sleep(0.01)
        trainers = [p for p in psutil.Process(process.pid).children(recursive=True) if "RANK" in p.environ()]
        for each in trainers:
            each.send_signal(signal.SIGKILL)
        said, _ = process.communicate(timeout=LIMIT)
    assert len(trainers) == 2
    assert process.returncode == 1, said
    again = subprocess.run(
        command, env=variables(), stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=LIMIT, check=False
    )
    assert again.returncode == 0, again.stdout + again.stderr + (run / "trainer.log").read_text()
    told = {(e["done"], e["data"]["loss"]) for e in events(run) if (e["event"], e["stage"]) == PROGRESS}
    assert told == set(losses(events(runs.two / "whole")).items())
    assert 'sharding = "full"' in (run / "resolved.toml").read_text()
