"""Inside an image: the stated machine against the observed one, and the command that gets people further."""

from __future__ import annotations

from dataclasses import replace

import pytest

from dreamboot import catalog, machine, planning
from dreamboot.app.image_inside import Image, fitting_tag, plan_inside
from dreamboot.app.image_run import gpu_options, run_options, warnings
from dreamboot.building.layout import GenerationLayout
from dreamboot.machine.stated import state_machine
from dreamboot.model import ContainerEngine, DreambootError, ExitCode, Wish
from support.dreamboot import ROOT

BARE = {"os": "linux", "libc": "glibc 2.36", "container": "docker"}
NVIDIA = {**BARE, "gpu": "NVIDIA GeForce RTX 4090", "vram": "24 GiB"}


def image(name: str) -> Image:
    """An image as it was planned, on nobody's disk."""
    plan = planning.plan(machine.assume(ROOT / "docker" / "machines" / f"{name}.toml"), Wish(), catalog.load())
    built = GenerationLayout(number=1, path=ROOT / "nowhere")
    return Image(name=name, repository="ghcr.io/someone/dreamboot", built=built, plan=plan)


def refused(name: str, facts: dict[str, object]) -> DreambootError:
    """The refusal of an image on a machine."""
    with pytest.raises(DreambootError) as caught:
        plan_inside(image(name), state_machine(facts), Wish(), "")
    assert caught.value.exit_code is ExitCode.REFUSED
    return caught.value


def test_the_plan_stays_the_images_and_its_settings_become_this_machines():
    two = state_machine({**NVIDIA, "gpu": "2x NVIDIA GeForce RTX 3060", "vram": "12 GiB", "driver": "595.58.03"})
    built = image("cu130")
    plan = plan_inside(built, two, Wish(), "")
    assert plan.id == built.plan.id
    assert plan.accelerate["num_processes"] == 2
    assert plan.preset != built.plan.preset


@pytest.mark.parametrize(
    ("name", "driver", "other"), [("cu130", "550.144.03", "cu126"), ("cu132", "550.144.03", "cu126")]
)
def test_a_driver_too_old_names_the_tag_to_pull(name, driver, other):
    problem = refused(name, {**NVIDIA, "driver": driver}).problem
    assert problem.id == "image-does-not-fit"
    assert problem.hint == f"docker pull ghcr.io/someone/dreamboot:{other}"
    assert driver in problem.what


def test_a_gpu_without_code_in_the_build_names_the_tag_to_pull():
    old = {**BARE, "gpu": "NVIDIA GeForce GTX 1080", "vram": "8 GiB", "driver": "580.95.05"}
    problem = refused("cu130", old).problem
    assert problem.hint == "docker pull ghcr.io/someone/dreamboot:cu126"
    assert "6.1" in problem.cause


@pytest.mark.parametrize(
    ("name", "container", "words"),
    [
        ("cu130", "docker", "docker run --gpus all"),
        ("cu130", "podman", "podman run --device nvidia.com/gpu=all"),
        ("rocm", "docker", "docker run --device /dev/kfd --device /dev/dri"),
    ],
)
def test_no_gpu_passed_names_the_exact_option(name, container, words):
    problem = refused(name, {**BARE, "container": container}).problem
    assert problem.id == "image-no-gpu"
    assert problem.hint.startswith(words)


def test_a_gpu_image_computes_on_the_cpu_when_that_is_asked_for():
    assert plan_inside(image("cu130"), state_machine(BARE), Wish(device="cpu"), "").device == "cpu"


def test_the_cpu_image_fits_every_machine():
    for facts in (BARE, {**NVIDIA, "driver": "470.57.02"}):
        assert plan_inside(image("cpu"), state_machine(facts), Wish(), "").device == "cpu"


def test_which_tag_fits():
    assert fitting_tag(state_machine(BARE)) == "cpu"
    assert fitting_tag(state_machine({**NVIDIA, "driver": "580.95.05"})) == "cu130"


def host(*access: str, devices: tuple[str, ...] = ()):
    """A host with an NVIDIA GPU and an engine."""
    engine = ContainerEngine(name="docker", running=True, gpu_access=access, cdi_devices=devices)
    return replace(state_machine({**NVIDIA, "driver": "595.58.03", "container": ""}), engines=(engine,))


def test_the_way_to_the_gpu_is_chosen_before_the_engine_is_asked():
    assert gpu_options(host("toolkit"), {}, "cu130") == ("--gpus", "all")
    assert gpu_options(host("cdi", devices=("nvidia.com/gpu=all",)), {}, "cu130") == ("--device", "nvidia.com/gpu=all")
    assert gpu_options(host("runtime"), {}, "cu130") == ("--runtime", "nvidia")
    assert gpu_options(host(), {"OperatingSystem": "Docker Desktop"}, "cu130") == ("--gpus", "all")
    assert gpu_options(host(), {}, "cpu") == ()
    with pytest.raises(DreambootError) as caught:
        gpu_options(host(), {}, "cu130")
    assert "nvidia-container-toolkit" in caught.value.problem.hint


def test_the_container_may_do_little(tmp_path):
    words = " ".join(run_options("name", tmp_path, (("/photos", False), ("/run", True)), ()))
    for option in ("--read-only", "--cap-drop ALL", "no-new-privileges", "--network none", "--shm-size 1g"):
        assert option in words
    assert "source=/photos,target=/photos,readonly" in words
    assert "source=/run,target=/run " in words + " "


def test_a_small_docker_desktop_is_told_of():
    assert "3 GiB" in warnings({"OperatingSystem": "Docker Desktop", "MemTotal": 3 << 30})[0]
    assert warnings({"OperatingSystem": "Debian", "MemTotal": 3 << 30}) == ()
