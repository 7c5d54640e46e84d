"""Every command of docs/how-to/docker.md: those for the CPU are run, the others are read by the programs they name."""

from __future__ import annotations

import re
import shlex

import pytest

from dreamboot.app.image_inside import PUBLISHED
from support.dreamboot import ROOT, answer

TEXT = (ROOT / "docs" / "how-to" / "docker.md").read_text(encoding="utf-8")
COMMANDS = re.findall(r"^    ((?:docker|dreamboot) .*)$", TEXT, re.M)
FEW = shlex.split(
    "--set max_train_steps=1 --set with_prior_preservation=false --set num_inference_steps=1 --set validation_steps=0 "
    "--set num_validation_images=0 --set resolution=64 --set train_batch_size=1"
)


def test_every_tag_is_named():
    assert {name for name in PUBLISHED if f"`dreamboot:{name}`" in TEXT} == set(PUBLISHED)


def test_the_host_side_command_is_known(tmp_path):
    """What `build --image` would run is the documented command, with this machine's pip settings."""
    told = answer(tmp_path / "home", "build", "--image", "cpu", "--dry-run") if _has_engine() else None
    if told is None:
        pytest.skip("no container engine on PATH")
    assert "MACHINE=cpu" in told["command"]
    assert any(word.startswith("id=pip,src=") for word in told["command"])


def _has_engine() -> bool:
    import shutil
    import subprocess

    program = shutil.which("docker")
    return (
        program is not None and subprocess.run([program, "version"], capture_output=True, check=False).returncode == 0
    )


@pytest.mark.containers
@pytest.mark.parametrize(
    "command", [one for one in COMMANDS if one.startswith("docker run") and "dreamboot:cpu" in one], ids=str
)
def test_runs_for_the_cpu(engine, image, command):
    words = shlex.split(command)[1:]
    # The private engine has no bridge.
    extra = [] if "--network" in words else ["--network", "none"]
    few = FEW if words[-1] == "--yes" else []
    done = engine.docker(words[0], *extra, *words[1:], *few, timeout=600)
    assert done.returncode == 0


@pytest.mark.containers
@pytest.mark.parametrize("command", [one for one in COMMANDS if one.startswith("docker compose")], ids=str)
def test_compose_knows_its_services(engine, command):
    words = shlex.split(command)[1:]
    profile, service = words[2], words[5]
    told = engine.docker("compose", "--file", str(ROOT / "compose.yaml"), "--profile", profile, "config", "--services")
    assert service in told.stdout.split()


@pytest.mark.containers
def test_bake_knows_every_target(engine):
    done = engine.docker("buildx", "bake", "--print", cwd=ROOT)
    for name in PUBLISHED:
        assert f'"dreamboot:{name}"' in done.stdout
