"""A base model that is named as on the hub is downloaded before training, with progress, by the environment's own."""

from __future__ import annotations

import shutil
import sys

import pytest

pytest.importorskip("torch")

from dreamboot.app.context import Context
from dreamboot.app.run_config import Run
from dreamboot.app.train import run_training
from dreamboot.host import current
from dreamboot.model import DreambootError, Environment, Plan, SourceKind, TorchBuild
from support.fake_hub import Hub
from support.tiny_sd import build_sd1, write_photos

pytestmark = pytest.mark.trainer


@pytest.fixture
def run(tmp_path):
    settings = {
        "pretrained_model_name_or_path": "them/sd", "instance_data_dir": write_photos(tmp_path / "photos"),
        "instance_prompt": "a sks dog", "with_prior_preservation": "false", "resolution": 64, "max_train_steps": 1,
        "num_validation_images": 0, "save_original": "false", "device": "cpu",
    }  # fmt: skip
    root = tmp_path / "environment"
    place = root / "generations" / "1"
    place.mkdir(parents=True)
    (place / "accelerate.yaml").write_text("distributed_type: 'NO'\nuse_cpu: true\n")
    return Run(
        folder=tmp_path / "run",
        environment=Environment(name="test", root=str(root), generation=1, python=sys.executable, plan_id=""),
        plan=Plan(python="3.11", torch=TorchBuild(version="2.13.0", tag="cpu", source=SourceKind.FIND_LINKS)),
        settings=tuple(f"{key}={text}" for key, text in settings.items()),
    )


def test_a_hubs_model_is_downloaded_and_trained(run, tmp_path, monkeypatch):
    hub = Hub()
    hub.models["them/sd"] = {"main": build_sd1(tmp_path / "model")}
    with hub.serving():
        monkeypatch.setenv("HF_ENDPOINT", hub.address)
        monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
        # The trainer works offline, and has said so in this process where another test called it here.
        monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
        home = tmp_path / "home"
        offline = Context(host=current(), home=home, confirm=lambda _: True, yes=True, offline=True)
        with pytest.raises(DreambootError) as caught:
            list(run_training(offline, run))
        assert caught.value.problem.id == "model-not-local"
        assert not hub.requests
        shutil.rmtree(run.folder)
        events = list(run_training(Context(host=current(), home=home, confirm=lambda _: True, yes=True), run))
    fetched = [event for event in events if event.unit == "MiB"]
    assert fetched
    assert fetched[-1].done == fetched[-1].total
    assert (run.folder / "model" / "model_index.json").is_file()
    assert events[-1].stage == "export"
