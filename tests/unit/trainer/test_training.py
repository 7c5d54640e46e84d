"""Whole runs on a miniature model: what is written, that it repeats itself, goes on exactly, and stops safely."""

# ruff: noqa: E402 - the imports need torch, which not every environment has

from __future__ import annotations

import json
import math
import shutil
import signal
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from dreamboot_trainer.problems import Interrupted, TrainerError
from support.training import configure, losses, train

pytestmark = pytest.mark.trainer


@pytest.fixture(scope="module")
def finished(
    tiny: Path, photos: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, tuple[dict[str, Any], ...]]:
    """One run with everything switched on that the first version does."""
    run = tmp_path_factory.mktemp("finished") / "run"
    config = configure(
        tiny,
        photos,
        num_validation_images=2,
        validation_steps=2,
        save_original=True,
        hflip=True,
        lr_scheduler="cosine",
        train_batch_size=2,
        checkpointing_steps=3,
        checkpoints_total_limit=0,
    )
    return run, train(config, run)


def test_a_run_leaves_what_it_promises(finished: tuple[Path, Any]) -> None:
    run, events = finished
    assert sorted(path.name for path in (run / "samples").iterdir()) == [
        "before_after.png",
        "step-000000.png",
        "step-000002.png",
        "step-000004.png",
    ]
    assert (run / "plots" / "loss.png").is_file()
    assert [path.name for path in sorted((run / "checkpoints").iterdir())] == ["step-000003", "step-000004"]
    assert len(list((run / "class_images").glob("*.png"))) == 3
    assert (run / "model.safetensors").is_file()
    assert not list(run.rglob("*.partial"))
    assert events[-1]["event"] == "finished"
    assert events[-1]["stage"] == "export"
    assert events[-1]["data"]["checkpoint"] == str(run / "model.safetensors")


def test_events_keep_the_contract(finished: tuple[Path, Any]) -> None:
    _, events = finished
    assert {record["stage"] for record in events} == {
        "prepare",
        "class-images",
        "cache",
        "train",
        "sample",
        "save",
        "export",
    }
    started = next(record["data"] for record in events if record["event"] == "started" and record["stage"] == "train")
    assert set(started) == {"world_size", "device", "mixed_precision", "optimizer", "trainable_parameters", "sharding"}
    steps = [record for record in events if record["event"] == "progress" and record["stage"] == "train"]
    assert [record["done"] for record in steps] == [1, 2, 3, 4]
    for record in steps:
        assert record["total"] == 4
        assert record["unit"] == "steps"
        assert {"loss", "learning_rate", "seconds_per_step", "peak_memory_mib"} <= set(record["data"])
    assert [record["data"]["learning_rate"] for record in steps] == pytest.approx(
        [1e-3 * 0.5 * (1 + math.cos(math.pi * step / 4)) for step in range(4)]
    )


def test_the_saved_model_generates_and_differs_in_the_unet_alone(finished: tuple[Path, Any], tiny: Path) -> None:
    from safetensors.torch import load_file

    run, _ = finished
    new, old = (load_file(root / "unet" / "diffusion_pytorch_model.safetensors") for root in (run / "model", tiny))
    assert set(new) == set(old)
    assert all(tensor.dtype == torch.float16 for tensor in new.values())
    assert sum(not torch.equal(new[name], old[name].half()) for name in new) > 0.9 * len(new)
    vae_new, vae_old = (
        load_file(root / "vae" / "diffusion_pytorch_model.safetensors") for root in (run / "model", tiny)
    )
    assert all(torch.equal(vae_new[name], vae_old[name].half()) for name in vae_old)
    text = load_file(run / "model" / "text_encoder" / "model.safetensors")
    assert all(name.startswith("text_model.") for name in text)


def test_diffusers_itself_loads_the_saved_model(finished: tuple[Path, Any]) -> None:
    from diffusers import StableDiffusionPipeline

    run, _ = finished
    pipeline = StableDiffusionPipeline.from_pretrained(run / "model", safety_checker=None, feature_extractor=None)
    picture = pipeline("a photo of sks dog", num_inference_steps=2, height=64, width=64, output_type="np").images[0]
    assert picture.shape == (64, 64, 3)


def test_the_same_seed_repeats_and_another_does_not(tiny: Path, photos: Path, tmp_path: Path) -> None:
    first = losses(train(configure(tiny, photos, max_train_steps=2), tmp_path / "a"))
    again = losses(train(configure(tiny, photos, max_train_steps=2), tmp_path / "b"))
    other = losses(train(configure(tiny, photos, max_train_steps=2, seed=1), tmp_path / "c"))
    assert first == again
    assert first != other


@pytest.mark.parametrize(
    "changes",
    [
        {"optimizer": "adamw"},
        {"optimizer": "adamw8bit"},
        {"lr_scheduler": "cosine", "lr_warmup_steps": 2},
        {"cache_latents": False, "center_crop": False, "hflip": True},
        {"gradient_accumulation_steps": 2, "gradient_checkpointing": True},
        {"with_prior_preservation": False, "train_batch_size": 2},
    ],
    ids=lambda changes: ",".join(f"{name}={value}" for name, value in changes.items()),
)
def test_going_on_is_exact(
    tiny: Path, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, changes: dict[str, object]
) -> None:
    """Stopped after 3 of 6 steps and started again: every later loss and every weight is the same, bit for bit."""
    from safetensors.torch import load_file

    config = configure(tiny, photos, max_train_steps=6, **changes)
    whole = losses(train(config, tmp_path / "whole"))
    _interrupt_after(monkeypatch, 3)
    with pytest.raises(Interrupted) as stop:
        train(config, tmp_path / "halves")
    assert stop.value.step == 3
    monkeypatch.undo()
    halves = losses(train(config, tmp_path / "halves"))
    assert halves == whole
    ends = [
        load_file(tmp_path / name / "checkpoints" / "step-000006" / "weights.safetensors")
        for name in ("whole", "halves")
    ]
    assert all(torch.equal(ends[0][name], ends[1][name]) for name in ends[0])


def _interrupt_after(monkeypatch: pytest.MonkeyPatch, step: int) -> None:
    """Send the process a real SIGTERM while the optimizer works on this step."""
    from dreamboot_trainer import loop

    original = loop._optimizer_step

    def interrupted(context: Any, training: Any, index: int) -> Any:
        if index + 1 == step:
            signal.raise_signal(signal.SIGTERM)
        return original(context, training, index)

    monkeypatch.setattr(loop, "_optimizer_step", interrupted)


def test_a_finished_run_is_not_trained_again(tiny: Path, photos: Path, tmp_path: Path) -> None:
    config = configure(tiny, photos, max_train_steps=2)
    train(config, tmp_path / "run")
    (tmp_path / "run" / "events.jsonl").unlink()
    assert losses(train(config, tmp_path / "run")) == {}


def test_going_on_with_other_settings_is_refused(tiny: Path, photos: Path, tmp_path: Path) -> None:
    train(configure(tiny, photos, max_train_steps=2), tmp_path / "run")
    with pytest.raises(TrainerError) as caught:
        train(configure(tiny, photos, max_train_steps=3, learning_rate=1e-5), tmp_path / "run")
    assert caught.value.problem.id == "resume-changed"
    assert "optimizer.learning_rate" in caught.value.problem.cause
    assert len(losses(train(configure(tiny, photos, max_train_steps=3), tmp_path / "run"))) == 3


def test_with_resume_never_it_begins_anew_with_whatever_settings(tiny: Path, photos: Path, tmp_path: Path) -> None:
    first = losses(train(configure(tiny, photos, max_train_steps=2), tmp_path / "run"))
    (tmp_path / "run" / "events.jsonl").unlink()
    anew = configure(tiny, photos, max_train_steps=2, resume="never", prior_loss_weight=0.5)
    again = losses(train(anew, tmp_path / "run"))
    assert sorted(again) == [1, 2]
    assert again[1] != first[1]


def test_going_on_with_other_photos_is_refused(tiny: Path, photos: Path, tmp_path: Path) -> None:
    from PIL import Image

    folder = Path(shutil.copytree(photos, tmp_path / "photos"))
    train(configure(tiny, folder, max_train_steps=1), tmp_path / "run")
    Image.new("RGB", (64, 64), "red").save(folder / "photo-1.png")
    with pytest.raises(TrainerError) as caught:
        train(configure(tiny, folder, max_train_steps=2), tmp_path / "run")
    assert caught.value.problem.id == "resume-changed"
    assert "photos" in caught.value.problem.cause


def test_accumulation_equals_a_larger_batch(tiny: Path, photos: Path, tmp_path: Path) -> None:
    """Also in the size of its gradients, which Adam would not show."""
    large = train(configure(tiny, photos, train_batch_size=4), tmp_path / "a")
    small = train(configure(tiny, photos, train_batch_size=2, gradient_accumulation_steps=2), tmp_path / "b")
    assert list(losses(small).values()) == pytest.approx(list(losses(large).values()), rel=1e-4)
    norms = [
        [r["data"]["gradient_norm"] for r in events if r["event"] == "progress" and r["stage"] == "train"]
        for events in (small, large)
    ]
    assert norms[0] == pytest.approx(norms[1], rel=1e-3)


@pytest.mark.parametrize("saving", [True, False])
def test_gradient_checkpointing_computes_every_layer_again_and_changes_no_loss(
    tiny: Path, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, saving: bool
) -> None:
    """In the UNet and in a text encoder that is trained; each block runs once more on the way back."""
    from diffusers import UNet2DConditionModel
    from diffusers.models.resnet import ResnetBlock2D
    from transformers.models.clip.modeling_clip import CLIPMLP

    blocks = sum(
        isinstance(part, ResnetBlock2D) for part in UNet2DConditionModel.from_pretrained(tiny / "unet").modules()
    )
    calls = {ResnetBlock2D: 0, CLIPMLP: 0}
    for kind in calls:

        def counted(self: Any, *inputs: Any, kind: Any = kind, real: Any = kind.forward, **more: Any) -> Any:
            calls[kind] += any(weight.requires_grad for weight in self.parameters())  # those of the VAE have none
            return real(self, *inputs, **more)

        monkeypatch.setattr(kind, "forward", counted)
    options = {"train_text_encoder": True, "with_prior_preservation": False, "max_train_steps": 2}
    found = losses(train(configure(tiny, photos, gradient_checkpointing=saving, **options), tmp_path / "a"))
    # diffusers keeps what the first block of the middle has made.
    assert calls[ResnetBlock2D] == 2 * (2 * blocks - 1 if saving else blocks)
    assert calls[CLIPMLP] == 2 * 2 * (2 if saving else 1)
    monkeypatch.undo()
    plain = losses(train(configure(tiny, photos, **options), tmp_path / "b"))
    assert list(found.values()) == pytest.approx(list(plain.values()), rel=1e-5)


def test_clipping_has_an_effect(tiny: Path, photos: Path, tmp_path: Path) -> None:
    """SGD-like sensitivity is needed to see clipping through Adam's scale: a huge epsilon gives it."""
    settings: dict[str, object] = {"adam_epsilon": 10.0, "learning_rate": 10.0}
    free = losses(train(configure(tiny, photos, max_grad_norm=0, **settings), tmp_path / "a"))
    tight = losses(train(configure(tiny, photos, max_grad_norm=1e-6, **settings), tmp_path / "b"))
    assert free[1] == tight[1]
    assert free[4] != tight[4]


def test_prior_weight_has_an_effect_and_both_losses_are_told(tiny: Path, photos: Path, tmp_path: Path) -> None:
    events = train(configure(tiny, photos, prior_loss_weight=0.5, max_train_steps=1), tmp_path / "a")
    data = next(record["data"] for record in events if record["event"] == "progress" and record["stage"] == "train")
    assert data["loss"] == pytest.approx(data["instance_loss"] + 0.5 * data["prior_loss"], rel=1e-6)


def test_a_loss_that_is_not_finite_stops_the_run_and_keeps_the_checkpoint(
    tiny: Path, photos: Path, tmp_path: Path
) -> None:
    config = configure(tiny, photos, learning_rate=1e30, max_grad_norm=0, checkpointing_steps=1, max_train_steps=9)
    with pytest.raises(TrainerError) as caught:
        train(config, tmp_path / "run")
    problem = caught.value.problem
    assert problem.id == "loss-not-finite"
    assert "learning rate 1e+30 is too high" in problem.cause
    assert "learning_rate=0.0001" in problem.hint
    records = [json.loads(line) for line in (tmp_path / "run" / "events.jsonl").read_text().splitlines()]
    good = max(losses(tuple(records)))
    assert f"The loss of step {good + 1} of 9 is " in problem.what
    saved = sorted(path.name for path in (tmp_path / "run" / "checkpoints").iterdir())
    assert saved[-1] == f"step-{good:06d}"
    assert (tmp_path / "run" / "checkpoints" / "step-000001" / "state.json").is_file()
    last = records[-1]
    assert (last["event"], last["stage"], last["data"]["problem"]["id"]) == ("failed", "train", "loss-not-finite")


@pytest.mark.parametrize(("key", "value"), [("prior_loss_weight", 1e39), ("noise_offset", 1e39)])
def test_the_setting_that_is_far_beyond_the_usual_is_blamed(
    tiny: Path, photos: Path, tmp_path: Path, key: str, value: float
) -> None:
    with pytest.raises(TrainerError) as caught:
        train(configure(tiny, photos, **{key: value}), tmp_path / "run")
    problem = caught.value.problem
    assert (problem.id, f"{key} = 1e+39 is too high" in problem.cause) == ("loss-not-finite", True), problem
    assert f"--set {key}=" in problem.hint


def test_no_room_for_a_checkpoint_keeps_the_last_one(
    tiny: Path, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage, calls = shutil.disk_usage(tmp_path), []

    def shrinking(_: object) -> Any:
        calls.append(1)
        return usage._replace(free=usage.free if len(calls) < 2 else 0)

    monkeypatch.setattr(shutil, "disk_usage", shrinking)
    with pytest.raises(TrainerError) as caught:
        train(configure(tiny, photos, checkpointing_steps=1), tmp_path / "run")
    assert caught.value.problem.id == "disk-full"
    assert "kept" in caught.value.problem.what
    assert [path.name for path in (tmp_path / "run" / "checkpoints").iterdir()] == ["step-000001"]


@pytest.mark.parametrize(
    "changes",
    [
        {"checkpointing_steps": 2, "checkpoints_total_limit": 0, "optimizer": "adamw"},
        {"save_interval": 1, "optimizer": "sgd", "save_precision": "fp32"},
        {"save_original": True, "optimizer": "sgd"},
        {"use_ema": True, "train_text_encoder": True, "optimizer": "adamw"},
    ],
    ids=",".join,
)
def test_room_is_asked_for_what_a_run_really_writes(
    tiny: Path, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, changes: dict[str, object]
) -> None:
    from dreamboot_trainer.checks import space

    monkeypatch.setattr(space, "_MARGIN", 0)
    run = tmp_path / "run"
    config = configure(tiny, photos, num_class_images=2, **changes)
    train(config, run)
    written = sum(path.stat().st_size for path in run.rglob("*") if path.is_file())
    assert space.bytes_needed(config, tiny) == pytest.approx(written, rel=0.05)
    more = configure(tiny, photos, num_class_images=102, **changes)
    assert space.bytes_needed(more, tiny) - space.bytes_needed(config, tiny) == 100 * 64 * 64 * 2


def test_two_processes_asked_for_and_one_got_is_a_problem(tiny: Path, photos: Path, tmp_path: Path) -> None:
    with pytest.raises(TrainerError) as caught:
        train(configure(tiny, photos, num_processes=2), tmp_path / "run")
    assert caught.value.problem.id == "world-size"


def test_class_images_are_topped_up_and_only_readable_ones_count(tiny: Path, photos: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(photos, tmp_path / "classes"))
    (folder / "broken.jpg").write_text("no image")
    config = configure(tiny, photos, class_data_dir=folder, num_class_images=5, max_train_steps=1)
    train(config, tmp_path / "run")
    made = sorted(folder.glob("generated-*.png"))
    assert len(made) == 2
    content = made[1].read_bytes()
    made[1].unlink()
    (tmp_path / "run" / "checkpoints" / "step-000001").rename(tmp_path / "old")
    train(config, tmp_path / "run")
    assert made[1].read_bytes() == content


def test_the_number_of_steps_does_not_depend_on_the_class_images(tiny: Path, photos: Path, tmp_path: Path) -> None:
    assert len(losses(train(configure(tiny, photos, num_class_images=7), tmp_path / "a"))) == 4


def test_an_original_checkpoint_is_a_model(finished: tuple[Path, Any], photos: Path, tmp_path: Path) -> None:
    run, _ = finished
    config = configure(run / "model.safetensors", photos, max_train_steps=1, with_prior_preservation=False)
    with pytest.raises(TrainerError) as caught:
        train(config, tmp_path / "run")
    assert caught.value.problem.cause


def test_bf16_on_a_cpu_trains(tiny: Path, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Layers answer in it while weights and their gradients stay float32."""
    from diffusers.models.attention import FeedForward

    seen: set[tuple[torch.dtype, ...]] = set()
    forward = FeedForward.forward

    def spying(self: Any, *inputs: Any, **more: Any) -> Any:
        answer = forward(self, *inputs, **more)
        if torch.is_grad_enabled():
            seen.add((answer.dtype, *{weight.dtype for weight in self.parameters()}))
        return answer

    monkeypatch.setattr(FeedForward, "forward", spying)
    exact = losses(train(configure(tiny, photos), tmp_path / "a"))
    assert seen == {(torch.float32, torch.float32)}
    seen.clear()
    rough = losses(train(configure(tiny, photos, mixed_precision="bf16"), tmp_path / "b"))
    assert seen == {(torch.bfloat16, torch.float32)}
    assert list(rough.values()) == pytest.approx(list(exact.values()), rel=0.05)
    assert rough != exact


def test_fp16_on_a_cpu_is_refused(tiny: Path, photos: Path, tmp_path: Path) -> None:
    with pytest.raises(TrainerError) as caught:
        train(configure(tiny, photos, mixed_precision="fp16"), tmp_path / "run")
    assert caught.value.problem.id == "precision-not-supported"
