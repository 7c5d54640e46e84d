"""A checkpoint: every part of the state comes back, each by itself, and reaches the disk before it has its name."""

# ruff: noqa: E402 - the imports need torch, which not every environment has

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from dreamboot_trainer import checkpoint, files, optim
from dreamboot_trainer.config import Optimizer
from dreamboot_trainer.ema import Average
from dreamboot_trainer.problems import TrainerError

pytestmark = pytest.mark.trainer
SETTINGS = Optimizer(lr_scheduler="linear", learning_rate=0.1)


def fresh() -> checkpoint.State:
    """A state as it is before the first step."""
    weight = torch.nn.Parameter(torch.linspace(-1, 1, 8))
    optimizer, _ = optim.build([{"params": [weight], "lr": 0.1}], SETTINGS, "cpu")
    schedule = optim.schedule(optimizer, SETTINGS, 10)
    scaler = torch.amp.GradScaler("cpu", init_scale=64.0, growth_interval=3)
    return checkpoint.State({"w": weight}, optimizer, schedule, {}, Average({"w": weight}, 0.9), scaler)


def step(state: checkpoint.State, number: int) -> None:
    weight = state.weights["w"]
    state.optimizer.zero_grad()
    state.scaler.scale(weight.square().sum() * number).backward()
    state.scaler.step(state.optimizer)
    state.scaler.update()
    state.schedule.step()
    assert state.average is not None
    state.average.update(number)


def parts(state: checkpoint.State) -> dict[str, Any]:
    """Everything that a later step depends on, by name."""
    assert state.average is not None
    moments = state.optimizer.state[state.weights["w"]]
    return {
        "weights": state.weights["w"].detach().tolist(),
        "average": state.average.shadow["w"].tolist(),
        **{f"optimizer: {name}": moments[name].tolist() for name in ("exp_avg", "exp_avg_sq", "step")},
        "rate": state.optimizer.param_groups[0]["lr"],
        "schedule": state.schedule.last_epoch,
        "scale": state.scaler.get_scale(),
        "steps until the scale grows": state.scaler.state_dict()["_growth_tracker"],
    }


def test_every_part_comes_back_and_the_next_steps_are_the_same(tmp_path: Path) -> None:
    state, other = fresh(), fresh()
    for number in (1, 2, 3, 4, 5):
        step(state, number)
    saved = checkpoint.save(tmp_path, 5, checkpoint.content(state, keep=True), 0)
    step(other, 1)  # whatever it was before must not matter
    before = parts(other)
    checkpoint.load(saved, other)
    expected, found = parts(state), parts(other)
    assert all(expected[name] != before[name] for name in expected)
    assert found == expected
    for number in (6, 7):
        step(state, number)
        step(other, number)
        assert parts(other) == parts(state)


def test_only_the_newest_are_kept(tmp_path: Path) -> None:
    state = fresh()
    step(state, 1)
    for number in (2, 4, 6, 8):
        checkpoint.save(tmp_path, number, checkpoint.content(state, keep=True), 2)
    assert [saved.step for saved in checkpoint.complete(tmp_path)] == [6, 8]
    (tmp_path / "step-000010.partial").mkdir()
    (tmp_path / "step-000009").mkdir()  # without its state.json: not whole
    assert [saved.step for saved in checkpoint.complete(tmp_path)] == [6, 8]


@pytest.mark.parametrize("name", ["weights.safetensors", "average.safetensors", "optimizer.pt", "state.json"])
@pytest.mark.parametrize("left", [0, 0.5, None])
def test_a_damaged_checkpoint_is_told_and_nothing_is_trained_from_it(
    tmp_path: Path, name: str, left: float | None
) -> None:
    """Empty, torn, and another content of the same length."""
    state = fresh()
    step(state, 1)
    saved = checkpoint.save(tmp_path, 1, checkpoint.content(state, keep=True), 0)
    content = (saved.path / name).read_bytes()
    (saved.path / name).write_bytes(b"x" * len(content) if left is None else content[: int(left * len(content))])
    with pytest.raises(TrainerError) as caught:
        checkpoint.load(saved, fresh())
    assert caught.value.problem.id == "checkpoint-damaged"
    assert str(saved.path) in caught.value.problem.hint


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="reads /proc")
def test_every_file_is_on_the_disk_before_the_checkpoint_has_its_name(
    tmp_path: Path, disk_order: list[tuple[str, str]]
) -> None:
    """A power cut after the new name must not leave it with empty files."""
    state = fresh()
    step(state, 1)
    saved = checkpoint.save(tmp_path, 1, checkpoint.content(state, keep=True), 0)
    written = sorted(path.name for path in saved.path.iterdir())
    assert disk_order.count(("rename", "step-000001")) == 1
    before = disk_order[: disk_order.index(("rename", "step-000001"))]
    assert (
        sorted(name for what, name in before if what == "fsync")
        == written
        == sorted(["weights.safetensors", "average.safetensors", "optimizer.pt", "state.json"])
    )


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="reads /proc")
def test_a_single_file_is_on_the_disk_before_it_has_its_name(tmp_path: Path, disk_order: list[tuple[str, str]]) -> None:
    with files.replacing(tmp_path / "a.png") as partial:
        partial.write_text("new")
        assert not (tmp_path / "a.png").exists()
    assert disk_order == [("fsync", "a.png.partial"), ("rename", "a.png")]


def test_a_folder_is_replaced_whole_or_stays(tmp_path: Path) -> None:
    out = tmp_path / "model"
    with files.replacing_folder(out) as partial:
        (partial / "old").touch()
    with pytest.raises(ZeroDivisionError), files.replacing_folder(out) as partial:
        (partial / "half").touch()
        assert (out / "old").exists()
        raise ZeroDivisionError
    assert [path.name for path in tmp_path.iterdir()] == ["model"]
    assert [path.name for path in out.iterdir()] == ["old"]
    with files.replacing_folder(out) as partial:
        (partial / "new").touch()
    assert [path.name for path in out.iterdir()] == ["new"]
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


@pytest.mark.skipif(os.name == "nt", reason="there it has to be open for writing")
def test_the_copy_of_a_read_only_file_reaches_the_disk_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A model's folder may be nobody's to write; root may all the same, so it is asked how the file is opened."""
    modes: list[str] = []
    real = Path.open
    monkeypatch.setattr(Path, "open", lambda self, mode="r", **more: modes.append(mode) or real(self, mode, **more))
    with files.replacing_folder(tmp_path / "model") as partial:
        (partial / "vocab.json").touch(mode=0o444)
    assert modes == ["rb"]
