"""The image for the CPU, built and run for real: no network, a read-only root, any user, no rights at all."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

pytestmark = pytest.mark.containers

SHORT = tuple(
    word
    for setting in (
        "max_train_steps=4", "with_prior_preservation=false", "num_inference_steps=2", "validation_steps=0",
        "num_validation_images=0", "resolution=64", "train_batch_size=1",
    )
    for word in ("--set", setting)
)  # fmt: skip
SAFE = (
    "--rm", "--network", "none", "--read-only", "--tmpfs", "/tmp", "--cap-drop", "ALL",
    "--security-opt", "no-new-privileges", "--shm-size", "1g",
)  # fmt: skip


def run(engine, image, *words, options=SAFE, user="4711:4711", check=True, timeout=600):
    """`docker run` of our command."""
    return engine.docker("run", *options, "--user", user, image, *words, check=check, timeout=timeout)


def mounted(volume) -> tuple[str, ...]:
    """The options that mount a folder as the home."""
    return ("-v", f"{volume}:/data")


def problem(done) -> dict[str, str]:
    """The Problem of a call with --json that failed."""
    told = json.loads(done.stdout)
    return told.get("problem") or told["refused"]


@pytest.fixture(scope="module")
def trained(engine, image, tmp_path_factory):
    """(folder of the volume, answer of `up --yes` in there)."""
    volume = tmp_path_factory.mktemp("trained") / "data"
    volume.mkdir()
    volume.chmod(0o1777)
    done = run(engine, image, "up", "--yes", "--json", *SHORT, options=(*SAFE, *mounted(volume)))
    return volume, json.loads(done.stdout)


def test_up_trains_without_network_on_a_read_only_root_as_any_user(trained):
    volume, told = trained
    model = volume / Path(told["model"]).relative_to("/data")
    assert (model / "model_index.json").is_file()
    checkpoint = volume / Path(told["checkpoint"]).relative_to("/data")
    assert checkpoint.stat().st_size > 1_000_000
    assert checkpoint.stat().st_uid == 4711
    # Nothing was built: the environment on the volume is a link into the image.
    venv = volume / "envs" / "default" / "generations" / "1" / "venv"
    assert venv.is_symlink()
    assert str(venv.readlink()) == "/opt/dreamboot/envs/default/generations/1/venv"
    assert not (volume / "cache" / "wheels").exists()


def test_set_up_is_said_to_be_satisfied(engine, image, trained):
    volume, _ = trained
    done = run(engine, image, "build", "--yes", options=(*SAFE, *mounted(volume)))
    assert "already satisfied" in done.stderr
    assert "nothing to do" in done.stderr


def test_doctor_is_green_and_fast(engine, image, volume):
    begun = time.monotonic()
    done = run(engine, image, "doctor", "--json", options=(*SAFE, *mounted(volume)), check=False)
    seconds = time.monotonic() - begun
    red = [one for one in json.loads(done.stdout)["findings"] if one["status"] in ("error", "crashed")]
    assert (done.returncode, red) == (0, [])
    assert seconds < 60


def test_the_image_holds_no_tools_caches_or_foreign_libraries(engine, image):
    script = (
        "for p in gcc cc pip pip3 uv; do command -v $p; done; ls /root/.cache /opt/dreamboot/cache 2>/dev/null;"
        "find / -xdev -name '*.a' -o -xdev -name 'libbitsandbytes_cuda*' -o -xdev -path '*/uv-cache/*' | head; id -u"
    )
    options = (*SAFE, "--entrypoint", "sh")
    done = run(engine, image, "-c", script, options=options, check=False)
    assert done.stdout.split() == ["4711"]


def test_its_labels_and_user(engine, image):
    told = json.loads(engine.docker("image", "inspect", image).stdout)[0]["Config"]
    assert told["Labels"]["dreamboot.machine"] == "cpu"
    assert told["Labels"]["org.opencontainers.image.licenses"] == "Apache-2.0"
    assert told["User"] == "1000:0"
    assert told["Healthcheck"]["Test"] == ["CMD", "dreamboot", "doctor", "--json"]


def test_no_volume_is_said_before_anything_is_trained(engine, image):
    done = run(engine, image, "up", "--yes", "--json", check=False)
    assert (done.returncode, problem(done)["id"]) == (1, "volume-not-writable")
    writable = ("--rm", "--network", "none")
    done = run(engine, image, "up", "--yes", "--json", options=writable, user="1000:0", check=False)
    assert (done.returncode, problem(done)["id"]) == (1, "volume-missing")
    assert "-v dreamboot:/data" in problem(done)["hint"]


def test_a_named_volume_suits_any_user(engine, image):
    for number, user in enumerate(("4711:4711", "1234567:0")):
        run(engine, image, "build", "--yes", options=(*SAFE, "-v", f"home-{number}:/data"), user=user)


def test_stop_saves_and_a_new_container_goes_on(engine, image, volume):
    long = [word if word != "max_train_steps=4" else "max_train_steps=4000" for word in SHORT]
    words = ["train", "--output", "/data/run", "--set", "pretrained_model_name_or_path=demo"]
    words += ["--set", "instance_data_dir=demo", "--set", "instance_prompt=a photo of sks animal", *long]
    options = ("--detach", "--name", "long", *SAFE[1:], *mounted(volume))
    run(engine, image, *words, options=options)
    events = volume / "run" / "events.jsonl"
    wait_for_step(engine, "long", events, 2)
    engine.docker("stop", "--time", "120", "long", timeout=150)
    told = json.loads(engine.docker("inspect", "long").stdout)[0]["State"]
    engine.docker("rm", "long")
    assert told["ExitCode"] == 130
    checkpoints = sorted(path.name for path in (volume / "run" / "checkpoints").iterdir())
    assert len(checkpoints) == 1
    saved = int(checkpoints[0].removeprefix("step-"))
    assert saved >= 2
    before = events.read_text().count("\n")
    again = [word if not word.startswith("max_train_steps") else f"max_train_steps={saved + 2}" for word in words]
    run(engine, image, *again, options=(*SAFE, *mounted(volume)))
    later = [json.loads(line) for line in events.read_text().splitlines()[before:]]
    steps = [one["done"] for one in later if one["event"] == "progress" and one["stage"] == "train"]
    assert (steps[0], steps[-1]) == (saved + 1, saved + 2)
    assert (volume / "run" / "model" / "model_index.json").is_file()


def wait_for_step(engine, name: str, events: Path, step: int, seconds: float = 300) -> None:
    """Until a training has told of a step; fails with its log when it ended before."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        text = events.read_text() if events.exists() else ""
        for line in text[: text.rfind("\n") + 1].splitlines():
            event = json.loads(line)
            if event["event"] == "progress" and event["stage"] == "train" and event["done"] >= step:
                return
        if engine.docker("inspect", "-f", "{{.State.Running}}", name).stdout.strip() != "true":
            raise AssertionError(engine.docker("logs", name).stderr[-3000:])
        time.sleep(0.3)
    raise AssertionError("no training step in time")
