"""Sharding: what it does not go with is refused before anything is made; nothing is left whole in silence."""

from __future__ import annotations

from pathlib import Path

import pytest

from dreamboot_trainer import sharding
from dreamboot_trainer.check import check
from dreamboot_trainer.config_read import read
from dreamboot_trainer.problems import TrainerError

pytestmark = pytest.mark.trainer


def ids(*changes: str) -> list[str]:
    return [problem.id for problem in sharding.faults(read(None, ["sharding=full", *changes]))]


@pytest.mark.parametrize(
    "change",
    [
        "optimizer=adamw8bit", "optimizer=sgd", "optimizer=adafactor", "optimizer=prodigy", "compile=inductor",
        "base_precision=nf4", "mixed_precision=fp16",
    ],
)  # fmt: skip
def test_settings_that_do_not_go_with_it_are_faults(change: str) -> None:
    assert ids(change) == ["sharding-setting"]
    assert sharding.faults(read(None, [change])) == []


@pytest.mark.parametrize("changes", [(), ("use_ema=true", "method=lora", "num_processes=2", "mixed_precision=bf16")])
def test_others_do(changes: tuple[str, ...]) -> None:
    assert ids(*changes) == []


def test_one_process_is_refused_however_it_came_about() -> None:
    assert ids("num_processes=1") == ["sharding-one-process"]
    for asked in ("0", "1"):
        with pytest.raises(TrainerError) as caught:
            sharding.require(read(None, ["sharding=full", f"num_processes={asked}"]), 1, "no")
        assert [problem.id for problem in caught.value.problems] == ["sharding-one-process"]


def test_fp16_is_refused_also_where_the_device_came_to_it() -> None:
    for asked in ("auto", "fp16"):
        with pytest.raises(TrainerError) as caught:
            sharding.require(read(None, ["sharding=full", f"mixed_precision={asked}"]), 2, "fp16")
        assert [problem.id for problem in caught.value.problems] == ["sharding-setting"]
        assert "mixed_precision=bf16" in caught.value.problem.hint
    sharding.require(read(None, ["sharding=full"]), 2, "bf16")
    sharding.require(read(None, []), 1, "fp16")


def test_the_check_names_it_without_torch(tmp_path: Path) -> None:
    found = check(read(None, ["sharding=full", "optimizer=lion8bit", "instance_data_dir=demo"]), tmp_path)
    assert "sharding-setting" in {problem.id for problem in found.problems}


@pytest.mark.parametrize(
    ("variable", "name"),
    [
        ("ACCELERATE_USE_DEEPSPEED", "DeepSpeed"), ("ACCELERATE_USE_FSDP", "accelerate's FSDP"),
        ("ACCELERATE_USE_MEGATRON_LM", "Megatron-LM"),
    ],
)  # fmt: skip
def test_what_accelerates_configuration_asks_for_is_refused(
    tiny: Path, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variable: str, name: str
) -> None:
    """In a whole run: accelerate would begin with it when it is set up."""
    from support.training import configure, train

    monkeypatch.setenv(variable, "true")
    with pytest.raises(TrainerError) as caught:
        train(configure(tiny, photos), tmp_path / "run")
    assert caught.value.problem.id == "sharding-by-others"
    assert name in caught.value.problem.what
    sharding.require_no_other({variable: "false"})


def test_a_torch_that_cannot_do_it_is_refused_with_its_reason() -> None:
    """Here for want of a second process; other torches fail in other ways."""
    torch = pytest.importorskip("torch")

    with pytest.raises(TrainerError) as caught:
        sharding.try_out(torch.device("cpu"), 2)
    assert caught.value.problem.id == "sharding-torch"
    assert "Error: " in caught.value.problem.cause


def test_a_run_in_one_process_that_asks_for_sharding_trains_nothing(tiny: Path, photos: Path, tmp_path: Path) -> None:
    from support.training import configure, train

    with pytest.raises(TrainerError) as caught:
        train(configure(tiny, photos, sharding="full"), tmp_path / "run")
    assert caught.value.problem.id == "sharding-one-process"
    assert not (tmp_path / "run" / "class_images").exists()
    assert not (tmp_path / "run" / "checkpoints").exists()
