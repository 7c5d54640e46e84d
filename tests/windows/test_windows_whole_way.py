"""From setup.bat to a trained model on Windows wheels, the same as on Linux; then the doctor, on the same tree.

About ten minutes and 1.5 GB with an empty cache. What was downloaded stays in the Wine root for the next time.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from support import dreamboot as linux
from support.dreamboot import ROOT
from support.wine import NAMED, answer, here, in_wine

# What the tests beside show in three minutes of every run, this shows with torch.
NOT_NAMED = "the whole way takes ten minutes: set DREAMBOOT_WINE_ROOT to a root made by make_root.py"
pytestmark = [*in_wine, pytest.mark.skipif(not NAMED, reason=NOT_NAMED)]
# Not the home of the other tests: an environment stands in it.
HOME = "C:\\whole way"
SHORT = tuple(
    word
    for setting in (
        "max_train_steps=6", "num_class_images=4", "num_inference_steps=4", "class_inference_steps=4",
        "validation_steps=0", "checkpointing_steps=3",
    )
    for word in ("--set", setting)
)  # fmt: skip
UNET = "unet/diffusion_pytorch_model.safetensors"
BASE = ROOT / "trainer/dreamboot_trainer/demo/model"


@pytest.fixture(scope="module")
def windows():
    """What `up` on Windows answers."""
    return answer(f"up --yes {' '.join(SHORT)}", home=HOME, timeout=2400)


def losses(run: Path) -> list[float]:
    """Of each training step."""
    events = [json.loads(line) for line in (run / "events.jsonl").read_text(encoding="utf-8").splitlines()]
    return [event["data"]["loss"] for event in events if event["event"] == "progress" and event["stage"] == "train"]


def distance(one: Path, other: Path) -> float:
    """Between two networks: the Euclidean norm of the difference of all their weights."""
    from safetensors.numpy import load_file

    left, right = load_file(one), load_file(other)
    assert left.keys() == right.keys()
    return sum(float(((left[name].astype("f8") - right[name].astype("f8")) ** 2).sum()) for name in left) ** 0.5


def test_the_wheels_are_those_of_windows(windows):
    environment = here(windows["environment"]["root"]) / "generations" / str(windows["environment"]["generation"])
    packages = environment / "venv/Lib/site-packages"
    for name in ("torch", "numpy", "tokenizers", "safetensors"):
        (info,) = packages.glob(f"{name}-*.dist-info")
        assert "win_amd64" in (info / "WHEEL").read_text(), name
    assert (environment / "venv/Scripts/python.exe").is_file()
    assert (packages / "torch/lib/torch_cpu.dll").is_file()


def test_the_model_is_that_of_linux(windows, tmp_path):
    there = linux.answer(tmp_path / "home", "up", "--yes", *SHORT)
    ours, theirs = losses(here(windows["run"])), losses(Path(there["run"]))
    assert len(ours) == 6
    assert ours == pytest.approx(theirs, rel=1e-4)
    gap = distance(here(windows["model"]) / UNET, Path(there["model"]) / UNET)
    moved = distance(Path(there["model"]) / UNET, BASE / UNET)
    print(f"gap {gap:.3g}, moved {moved:.3g}")
    # Two builds of torch round differently; what six steps taught is a hundred times more.
    assert gap < 0.01 * moved
    assert here(windows["checkpoint"]).stat().st_size == Path(there["checkpoint"]).stat().st_size


def test_the_doctor_finds_it_sound(windows):
    found = answer("doctor --env default --deep", home=HOME, timeout=900, codes=(0, 1))["findings"]
    status = {finding["id"]: finding["status"] for finding in found}
    assert "crashed" not in status.values(), [finding for finding in found if finding["status"] == "crashed"]
    assert [finding["id"] for finding in found if finding["status"] == "error"] == []
    assert status["windows-long-paths"] == "warning"
    for name in ("python-works", "files-missing", "requirements-met", "torch-found"):
        assert status[name] == "ok", name


def test_the_doctor_sees_a_library_that_is_gone_and_mends_it(windows):
    packages = here(windows["environment"]["python"]).parents[1] / "Lib/site-packages"
    gone = packages / "torch/lib/shm.dll"
    before = gone.read_bytes()
    gone.unlink()
    found = answer("doctor --env default", home=HOME, timeout=900, codes=(1,))["findings"]
    assert "files-missing" in [finding["id"] for finding in found if finding["status"] == "error"]
    answer("env repair default --yes", home=HOME, timeout=1200)
    mended = here(answer("env show", home=HOME)["environment"]["python"]).parents[1]
    assert (mended / "Lib/site-packages/torch/lib/shm.dll").read_bytes() == before


def test_the_same_command_again_has_nothing_to_build(windows):
    again = answer(f"up --yes {' '.join(SHORT)}", home=HOME, timeout=1200)
    assert again["checkpoint"] == windows["checkpoint"]
