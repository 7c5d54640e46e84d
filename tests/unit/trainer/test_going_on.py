"""Going on and starting over: a damaged checkpoint is named, and nothing of an earlier training passes for the new."""

# ruff: noqa: E402 - the imports need torch, which not every environment has

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")

from safetensors.torch import load_file, save_file

from dreamboot_trainer.problems import TrainerError
from support.tiny_sd import build_sd1
from support.training import configure, losses, train

pytestmark = pytest.mark.trainer


@pytest.fixture(scope="module")
def trained(tiny: Path, photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of four steps."""
    run = tmp_path_factory.mktemp("trained") / "a run"
    train(configure(tiny, photos), run)
    return run


def refused(tiny: Path, photos: Path, run: Path, **changes: object) -> TrainerError:
    with pytest.raises(TrainerError) as caught:
        train(configure(tiny, photos, **{"max_train_steps": 6, **changes}), run)
    return caught.value


def rewritten(path: Path, change: Callable[[bytes], bytes]) -> None:
    path.write_bytes(change(path.read_bytes()))


def narrower(checkpoint: Path) -> None:
    """A bias of one number would be copied into every place of the trained one."""
    tensors = load_file(checkpoint / "weights.safetensors")
    tensors["denoiser.conv_in.bias"] = tensors["denoiser.conv_in.bias"][:1].contiguous()
    save_file(tensors, checkpoint / "weights.safetensors")


@pytest.mark.parametrize(
    "damage",
    [
        lambda checkpoint: rewritten(checkpoint / "weights.safetensors", lambda content: content[:5000]),
        lambda checkpoint: rewritten(checkpoint / "weights.safetensors", lambda _: b""),
        lambda checkpoint: rewritten(checkpoint / "optimizer.pt", lambda _: b""),
        lambda checkpoint: rewritten(checkpoint / "optimizer.pt", lambda _: b"garbage"),
        lambda checkpoint: torch.save([1, 2], checkpoint / "optimizer.pt"),
        lambda checkpoint: rewritten(checkpoint / "state.json", lambda _: b"[]"),
        lambda checkpoint: rewritten(checkpoint / "state.json", lambda content: content.replace(b": 4,", b": 3,", 1)),
        narrower,
    ],
    ids=("cut", "empty", "no state", "no pickle", "a list", "other JSON", "another step", "another shape"),
)
def test_a_damaged_checkpoint_is_named_and_the_hint_can_be_pasted(
    tiny: Path, photos: Path, trained: Path, tmp_path: Path, damage: Callable[[Path], None]
) -> None:
    run = Path(shutil.copytree(trained, tmp_path / "a run"))
    damage(run / "checkpoints" / "step-000004")
    problem = refused(tiny, photos, run).problem
    assert problem.id == "checkpoint-damaged"
    subprocess.run(["sh", "-c", problem.hint], check=True)
    assert (run / "step-000004").is_dir()
    assert not (run / "checkpoints" / "step-000004").exists()


def test_fewer_steps_than_are_done_are_refused(tiny: Path, photos: Path, trained: Path, tmp_path: Path) -> None:
    run = Path(shutil.copytree(trained, tmp_path / "run"))
    assert refused(tiny, photos, run, max_train_steps=3).problem.id == "resume-beyond"


def test_starting_over_takes_nothing_from_the_earlier_training(tiny: Path, photos: Path, tmp_path: Path) -> None:
    run, shown = tmp_path / "run", {"num_validation_images": 1, "validation_steps": 2, "save_interval": 2}
    before = losses(train(configure(tiny, photos, max_train_steps=6, **shown), run))
    earlier = {path.relative_to(run): path.read_bytes() for path in sorted(run.glob("s*/step-*2*")) if path.is_file()}
    events = train(configure(tiny, photos, learning_rate=1e-2, resume="never", **shown), run)
    assert [path.name for path in (run / "checkpoints").iterdir()] == ["step-000004"]
    assert sorted(path.name for path in run.glob("s*/step-*")) == [
        "step-000000.png", "step-000002", "step-000002.png", "step-000004.png",
    ]  # fmt: skip
    kept = run / "earlier" / "1"
    assert earlier
    assert all((kept / path).read_bytes() == content != (run / path).read_bytes() for path, content in earlier.items())
    assert (kept / "checkpoints" / "step-000006" / "state.json").is_file()
    assert losses(events)[4] != before[4]
    assert "4 of 4" in (run / "report.html").read_text()
    # And the same configuration goes on from the new checkpoint.
    train(configure(tiny, photos, learning_rate=1e-2, **shown), run)


def test_weights_that_are_no_numbers_replace_no_checkpoint(tiny: Path, photos: Path, tmp_path: Path) -> None:
    """The loss of the step that ruins them is still finite."""
    run = tmp_path / "run"
    train(configure(tiny, photos, max_train_steps=1, lr_scheduler="constant"), run)
    checkpoint = run / "checkpoints" / "step-000001"
    facts = json.loads((checkpoint / "state.json").read_text())
    facts["facts"]["optimizer.learning_rate"] = 1e38
    (checkpoint / "state.json").write_text(json.dumps(facts))
    state = torch.load(checkpoint / "optimizer.pt", weights_only=True)
    state["optimizer"]["param_groups"][0]["lr"] = 1e38
    state["schedule"]["base_lrs"] = [1e38]
    torch.save(state, checkpoint / "optimizer.pt")
    problem = refused(tiny, photos, run, max_train_steps=2, learning_rate=1e38).problem
    assert problem.id == "loss-not-finite"
    assert [path.name for path in (run / "checkpoints").iterdir()] == ["step-000001"]
    assert not any(path.is_file() for path in run.glob("checkpoints/step-000002*"))


def test_a_run_of_the_rate_that_used_to_be_the_default_goes_on_without_one(
    tiny: Path, photos: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    train(configure(tiny, photos, max_train_steps=1, learning_rate=5e-6), run)
    events = train(configure(tiny, photos, max_train_steps=2, learning_rate=0), run)
    facts = json.loads((run / "checkpoints" / "step-000002" / "state.json").read_text())["facts"]
    assert facts["optimizer.learning_rate"] == 5e-6
    steps = [record["done"] for record in events if (record["event"], record["stage"]) == ("progress", "train")]
    assert steps == [1, 2]


def test_a_model_that_its_number_format_does_not_hold_is_not_written(tiny: Path, photos: Path, tmp_path: Path) -> None:
    changes = {"learning_rate": 1e5, "max_train_steps": 1, "method": "lora"}
    problem = refused(tiny, photos, tmp_path / "run", **changes).problem
    assert problem.id == "save-precision"
    assert not (tmp_path / "run" / "model").exists()
    train(configure(tiny, photos, **changes, save_precision="fp32"), tmp_path / "run")
    saved = load_file(tmp_path / "run" / "model" / "pytorch_lora_weights.safetensors")
    assert all(tensor.isfinite().all() for tensor in saved.values())


def test_another_model_under_the_same_path_is_noticed_and_the_same_one_elsewhere_is_not(
    tiny: Path, photos: Path, tmp_path: Path
) -> None:
    model = Path(shutil.copytree(tiny, tmp_path / "model"))
    train(configure(model, photos, max_train_steps=1), tmp_path / "run")
    model.rename(tmp_path / "moved")
    pictures = Path(shutil.copytree(photos, tmp_path / "pictures"))
    train(configure(tmp_path / "moved", pictures, max_train_steps=2), tmp_path / "run")
    build_sd1(model, seed=5)
    error = refused(model, photos, tmp_path / "run")
    assert error.problem.id == "resume-changed"
    assert "base model" in error.problem.cause


def test_another_checkpoint_file_under_the_same_name_is_converted_anew(
    tiny: Path, photos: Path, tmp_path: Path
) -> None:
    from dreamboot_trainer.convert import to_original

    file, run = tmp_path / "model.safetensors", tmp_path / "run"
    converted = run / "base_model" / "unet" / "diffusion_pytorch_model.safetensors"
    found = []
    for seed in (1, 2):
        to_original(build_sd1(tmp_path / str(seed), seed=seed), file, dtype="keep", overwrite=True)
        train(configure(file, photos, tokenizer_name=tiny / "tokenizer", max_train_steps=1, resume="never"), run)
        found.append(load_file(converted))
    assert any(not torch.equal(found[0][name], found[1][name]) for name in found[0])
    written = converted.stat().st_mtime_ns
    train(configure(file, photos, tokenizer_name=tiny / "tokenizer", max_train_steps=2), run)
    assert converted.stat().st_mtime_ns == written


def test_what_changes_no_result_may_change(tiny: Path, photos: Path, trained: Path, tmp_path: Path) -> None:
    """These are what the hints for too little memory and for numbers beyond fp16 name."""
    run = Path(shutil.copytree(trained, tmp_path / "run"))
    changes = {"mixed_precision": "no", "gradient_checkpointing": True, "attention": "naive"}
    assert len(losses(train(configure(tiny, photos, max_train_steps=5, **changes), run))) == 5


def test_the_photo_that_has_changed_is_named(tiny: Path, photos: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(photos, tmp_path / "photos"))
    train(configure(tiny, folder, max_train_steps=1, captions=True), tmp_path / "run")
    (folder / "photo-1.txt").write_text("sks dog in the snow")
    cause = refused(tiny, folder, tmp_path / "run", captions=True).problem.cause
    assert "different: photo-1.png." in cause
