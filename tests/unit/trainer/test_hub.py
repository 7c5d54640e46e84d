"""Models by their name on a hub: downloaded whole, resumed, checked by hash, found offline; results uploaded."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")

from support.fake_hub import Hub, commit_of
from support.tiny_sd import build_sd1

pytestmark = pytest.mark.trainer

TRAINER = Path(__file__).resolve().parents[3] / "trainer"
TOKEN = "hf_" + "x" * 34


@pytest.fixture
def hub(tiny: Path, tmp_path: Path) -> Iterator[Hub]:
    """A hub with one miniature model, in two versions."""
    found = Hub()
    old = build_sd1(tmp_path / "old", seed=5)
    new = Path(shutil.copytree(tiny, tmp_path / "new"))
    weights = new / "unet" / "diffusion_pytorch_model.safetensors"
    shutil.copy(weights, weights.with_name("diffusion_pytorch_model.fp16.safetensors"))
    shutil.copy(weights, weights.with_suffix(".bin"))
    (new / "safety_checker").mkdir()
    (new / "safety_checker" / "model.safetensors").write_bytes(bytes(5000))
    (new / "v1-5-pruned.safetensors").write_bytes(bytes(5000))
    found.models["them/sd"] = {"main": new, "first": old}
    with found.serving():
        yield found


AT_ONCE = (
    "import runpy, sys, time; time.sleep = lambda _: None; sys.argv[0] = 'dreamboot_trainer';"
    "runpy.run_module('dreamboot_trainer', run_name='__main__')"
)
"""The same without waiting: the hub's library tries again for half a minute before it says that nobody answers."""


def call(
    hub: Hub, home: Path, *arguments: object, at_once: bool = False, **environment: str
) -> subprocess.CompletedProcess[str]:
    """One command of the trainer with this hub and a cache of its own."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("HF_")}
    variables = {"HF_ENDPOINT": hub.address, "HF_HOME": str(home), "OMP_NUM_THREADS": "1", "PYTHONPATH": str(TRAINER)}
    variables["HF_HUB_DISABLE_XET"] = "1"  # the older way of moving large files, which this hub speaks
    program = ["-c", AT_ONCE] if at_once else ["-m", "dreamboot_trainer"]
    command = [sys.executable, *program, *map(str, arguments)]
    return subprocess.run(
        command, env={**clean, **variables, **environment}, capture_output=True, text=True, check=False, timeout=600
    )


def fetch(hub: Hub, home: Path, *more: object, **options: Any) -> subprocess.CompletedProcess[str]:
    return call(hub, home, "fetch", "--json", "--pretrained_model_name_or_path", "them/sd", *more, **options)


def problem(answer: subprocess.CompletedProcess[str]) -> dict[str, str]:
    assert answer.returncode == 1, answer.stderr
    content = json.loads(answer.stdout.splitlines()[-1])
    found: dict[str, str] = content["problems"][0]
    return found


def test_a_model_arrives_whole_and_without_what_training_does_not_use(hub: Hub, tiny: Path, tmp_path: Path) -> None:
    answer = fetch(hub, tmp_path / "home")
    assert answer.returncode == 0, answer.stdout + answer.stderr
    folder = Path(json.loads(answer.stdout)["path"])
    there = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if not path.name.startswith(".")}
    assert there == {path.relative_to(tiny).as_posix() for path in tiny.rglob("*")}
    again = len(hub.requests)
    assert fetch(hub, tmp_path / "home", HF_HUB_OFFLINE="1").returncode == 0  # it is here already
    assert len(hub.requests) == again


def test_a_torn_download_goes_on_where_it_ended(hub: Hub, tmp_path: Path) -> None:
    chunk = 10 * 2**20  # what huggingface_hub takes at once
    weights = hub.models["them/sd"]["main"] / "unet" / "diffusion_pytorch_model.safetensors"
    weights.write_bytes(os.urandom(chunk + 2**20))
    hub.cut_after = chunk + 100
    fetch(hub, tmp_path / "home")
    assert fetch(hub, tmp_path / "home").returncode == 0
    starts = [int(asked[6:].partition("-")[0]) for _, _, asked, _ in hub.requests if asked]
    assert [start for start in starts if start] == [chunk]


def test_a_damaged_file_is_noticed_removed_and_fetched_anew(hub: Hub, tmp_path: Path) -> None:
    hub.damaged = "unet/diffusion_pytorch_model.safetensors"
    assert problem(fetch(hub, tmp_path / "home"))["id"] == "hub-wrong-hash"
    hub.damaged = ""
    assert fetch(hub, tmp_path / "home").returncode == 0


def test_what_is_wrong_is_said(hub: Hub, tmp_path: Path) -> None:
    home = tmp_path / "home"
    assert problem(fetch(hub, home, "--revision", "nowhere"))["id"] == "hub-no-revision"
    other = call(hub, home, "fetch", "--json", "--pretrained_model_name_or_path", "them/other")
    assert problem(other)["id"] == "hub-not-found"
    assert problem(fetch(hub, home, at_once=True, HF_ENDPOINT="http://127.0.0.1:9"))["id"] == "hub-unreachable"


def test_training_downloads_a_version_and_later_needs_no_network(hub: Hub, photos: Path, tmp_path: Path) -> None:
    from safetensors.torch import load_file

    home, run = tmp_path / "home", tmp_path / "run"
    settings = {
        "pretrained_model_name_or_path": "them/sd", "revision": "first", "instance_data_dir": photos,
        "instance_prompt": "a sks dog", "with_prior_preservation": "false", "resolution": 64, "max_train_steps": 1,
        "num_validation_images": 0, "save_original": "false", "device": "cpu", "learning_rate": "1e-30",
        "save_precision": "fp32", "output_dir": run,
    }  # fmt: skip
    flags = [f"--{name}={value}" for name, value in settings.items()]
    missing = problem(call(hub, home, "check", "--json", *flags))
    assert missing["id"] == "model-not-local"
    asked = call(hub, home, "train", "--json", *flags, "--local_files_only", "true")
    assert problem(asked)["id"] == "model-not-local"
    assert not hub.requests
    assert problem(call(hub, home, "train", "--json", *flags, HF_HUB_OFFLINE="1"))["id"] == "model-not-local"
    trained = call(hub, home, "train", *flags)
    assert trained.returncode == 0, trained.stdout + trained.stderr
    mine = load_file(run / "model" / "vae" / "diffusion_pytorch_model.safetensors")
    first = load_file(hub.models["them/sd"]["first"] / "vae" / "diffusion_pytorch_model.safetensors")
    assert all((mine[name] == first[name]).all() for name in first)
    assert (home / "hub" / "models--them--sd" / "refs" / "first").read_text() == commit_of("first")
    again = call(hub, home, "train", *flags, "--max_train_steps", "2", HF_HUB_OFFLINE="1", HF_ENDPOINT="http://no")
    assert again.returncode == 0, again.stdout + again.stderr


def test_a_result_is_uploaded_and_the_token_is_written_nowhere(
    hub: Hub, tiny: Path, photos: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    settings = {
        "pretrained_model_name_or_path": tiny, "instance_data_dir": photos, "instance_prompt": "a sks dog",
        "with_prior_preservation": "false", "resolution": 64, "max_train_steps": 1, "num_validation_images": 0,
        "save_original": "false", "device": "cpu", "output_dir": run, "push_to_hub": "true",
        "hub_model_id": "me/my-dog",
    }  # fmt: skip
    flags = [f"--{name}={value}" for name, value in settings.items()]
    assert problem(call(hub, tmp_path / "home", "train", "--json", *flags))["id"] == "hub-login"
    answer = call(hub, tmp_path / "home", "train", *flags, HF_TOKEN=TOKEN)
    assert answer.returncode == 0, answer.stdout + answer.stderr
    for path in (run / "model").rglob("*"):
        if path.is_file():
            assert hub.uploads[path.relative_to(run / "model").as_posix()] == path.read_bytes()
    assert any(had for _, _, _, had in hub.requests)
    assert hub.private == {"me/my-dog": True}  # the default: what is learnt from photos of a person is nobody else's
    assert TOKEN not in answer.stdout + answer.stderr
    for path in run.rglob("*"):
        assert not path.is_file() or TOKEN.encode() not in path.read_bytes()


def test_of_a_model_in_pieces_one_precision_is_taken() -> None:
    """SD 3's T5 is published in full and in half precision, each in two files with an index."""
    from dreamboot_trainer.hub import RemoteFile, wanted

    full = [f"text_encoder_3/model-0000{i}-of-00002.safetensors" for i in (1, 2)]
    full.append("text_encoder_3/model.safetensors.index.json")
    half = [f"text_encoder_3/model.fp16-0000{i}-of-00002.safetensors" for i in (1, 2)]
    half.append("text_encoder_3/model.safetensors.index.fp16.json")

    def chosen(names: list[str]) -> set[str]:
        files = tuple(RemoteFile(name=name, size=1, sha256="", blob="") for name in names)
        return {file.name for file in wanted(files, ("text_encoder_3",))}

    assert chosen(full + half) == set(full)
    assert chosen(half) == set(half)


@pytest.mark.parametrize("private", [True, False])
def test_who_may_see_a_result_is_what_the_settings_say(
    hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, private: bool
) -> None:
    """The library reads its variables when it is imported, so this is a process of its own."""
    (tmp_path / "result").mkdir()
    (tmp_path / "result" / "model_index.json").write_text("{}")
    code = (
        "import sys; from pathlib import Path; from dreamboot_trainer import hub;"
        f"hub.push(Path(sys.argv[1]), 'me/my-dog', private={private}, message='x')"
    )
    variables = {"HF_ENDPOINT": hub.address, "HF_HOME": str(tmp_path / "home"), "HF_TOKEN": TOKEN}
    variables["HF_HUB_DISABLE_XET"] = "1"
    # The trainer works offline, and has said so in this process where another test called it here.
    around = {name: text for name, text in os.environ.items() if name != "HF_HUB_OFFLINE"}
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "result")],
        env={**around, **variables, "PYTHONPATH": str(TRAINER)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert hub.private == {"me/my-dog": private}
