"""Faults of containers and WSL, from what engine, driver and kernel print to the red line of the doctor."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from dreamboot.doctor.checks import hub_writable
from dreamboot.doctor.examine import examine
from dreamboot.doctor.facts import system
from dreamboot.doctor.facts.values import Facts, Hub, Torch
from dreamboot.doctor.symptoms import explain
from dreamboot.host import current
from dreamboot.host.base import Completed
from dreamboot.machine.survey import survey
from dreamboot.model import Gpu, Machine, Status, Vendor
from support.fake_host import FakeHost

CAPTURES = Path(__file__).resolve().parents[2] / "captures"
GPU = Gpu(vendor=Vendor.NVIDIA, name="NVIDIA GeForce RTX 4090", compute_capability="8.9")
RUNC = {"runc": {"path": "runc"}}
CDI = "cdiVersion: 0.5.0\nkind: nvidia.com/gpu\ndevices:\n- name: all\n"
MIB = 1024 * 1024
WRONG = (Status.ERROR, Status.WARNING, Status.CRASHED)


def machine_of(host, *probes, gpus=(GPU,), **fields) -> Machine:
    found = survey(host, Path("/home/me/dreamboot"), names=probes, network=False)
    assert [probe.failed for probe in found.probes] == [""] * len(probes)
    return replace(found, gpus=gpus, **fields)


def docker(info, *, files=()):
    told = {"ServerVersion": "28.5.2", "Runtimes": RUNC, **info}
    there = {"/var/run/docker.sock": "", **dict(files)}
    return FakeHost(files=there, programs={"docker info": json.dumps(told), "docker": ""})


def wrong(facts, area=("container-runtime", "wsl")):
    return {one.id: one for one in examine(facts) if one.status in WRONG and one.area in area}


WAYS = {
    "neither toolkit, runtime nor CDI": ({}, {}, True),
    "the toolkit alone": ({}, {"/usr/bin/nvidia-ctk": ""}, False),
    "the runtime alone": ({"Runtimes": {**RUNC, "nvidia": {"path": "nvidia-container-runtime"}}}, {}, False),
    "a CDI specification alone": ({}, {"/etc/cdi/nvidia.yaml": CDI}, False),
    "a CDI specification of another maker's tool that is cut": ({}, {"/etc/cdi/nvidia.yaml": CDI[:30]}, True),
    "Docker Desktop without a way": ({"OperatingSystem": "Docker Desktop"}, {}, True),
    "Docker Desktop that lists CDI devices": (
        {"OperatingSystem": "Docker Desktop", "DiscoveredDevices": [{"Source": "cdi", "ID": "nvidia.com/gpu=all"}]},
        {},
        False,
    ),
}


@pytest.mark.parametrize("name", WAYS)
def test_an_engine_without_a_way_to_the_gpu(name):
    info, files, missing = WAYS[name]
    found = wrong(Facts(machine=machine_of(docker(info, files=files), "engines")))
    assert set(found) == ({"container-gpu"} if missing else set())
    if missing:
        assert "nvidia-ctk runtime configure" in found["container-gpu"].fix[0].command
        assert not found["container-gpu"].fix[0].automatic


def test_without_a_gpu_an_engine_needs_no_way():
    assert wrong(Facts(machine=machine_of(docker({}), "engines", gpus=()))) == {}


@pytest.mark.parametrize(
    ("where", "content", "told"),
    [
        ("etc/docker/daemon.json", '{"runtimes": {"nvidia": {"path": "no-such-runtime"}}}', "not installed"),
        ("etc/docker/daemon.json", '{"runtimes": {', "can't be read"),
        ("etc/cdi/nvidia.yaml", "mounts:\n- hostPath: /no/libcuda.so.550.0\n  containerPath: /x\n", "out of date"),
        ("etc/cdi/nvidia.json", "{", "out of date"),
    ],
)
def test_configuration_that_names_what_is_not_there(tmp_path, where, content, told):
    (tmp_path / where).parent.mkdir(parents=True)
    (tmp_path / where).write_text(content)
    found = wrong(Facts(container=system.container(current(), str(tmp_path))))
    assert set(found) == {"container-config"}
    assert told in found["container-config"].problem.what


@pytest.mark.parametrize(("size", "status"), [(1, "warning"), (64, "warning"), (512, "warning"), (8192, "")])
def test_shared_memory_as_docker_gives_it(size, status):
    host = FakeHost(
        files={"/proc/meminfo": "MemTotal: 32768000 kB\n", "/dev/shm/": ""}, free={"/dev/shm": (0, size * MIB)}
    )
    machine = machine_of(host, "memory", gpus=(), container="docker")
    assert machine.shared_memory_mib == size
    found = wrong(Facts(machine=machine))
    assert {name: one.status.value for name, one in found.items()} == (
        {"container-shared-memory": status} if status else {}
    )


@pytest.mark.parametrize(("container", "program"), [("docker", "docker run --rm --user 0"), ("", "sudo chown")])
def test_a_folder_of_another_user_is_given_by_a_command_that_exists_there(container, program):
    facts = Facts(machine=Machine(os="linux", container=container), hub=Hub(home="/data/hub", writable=False))
    step = hub_writable.CHECK.run(facts).fix[0]
    assert step.command.startswith(program)
    assert step.command.endswith("/data/hub")
    assert not step.automatic
    if container:
        assert "sudo" not in step.command


@pytest.mark.parametrize(
    ("capture", "fields", "name"),
    [
        ("err-nvml-unknown.txt", {"container": "docker"}, "container-driver"),
        ("err-libnvml-missing.txt", {"container": "docker"}, "container-driver"),
        ("err-wsl-blocked.txt", {"wsl": 2}, "wsl-driver"),
    ],
)
def test_what_nvidia_smi_said_inside(capture, fields, name):
    said = (CAPTURES / capture).read_text()
    host = FakeHost(
        programs={"nvidia-smi": Completed(argv=("nvidia-smi",), returncode=255, stdout=said, stderr="", seconds=0.0)}
    )
    machine = machine_of(host, "nvidia", gpus=(), **fields)
    assert len(machine.faults) == 1
    assert set(wrong(Facts(machine=machine))) == {name}


def test_a_container_that_was_started_without_gpus():
    facts = Facts(
        machine=Machine(os="linux", container="docker"),
        torch=Torch(version="2.11.0+cu126", tag="cu126"),
        environ={"NVIDIA_VISIBLE_DEVICES": "all"},
    )
    assert wrong(facts)["container-driver"].fix[0].command == "docker run --gpus all IMAGE"


@pytest.mark.parametrize(
    "said",
    [
        'docker: Error response from daemon: could not select device driver "" with capabilities: [[gpu]].',
        "Error response from daemon: unknown or invalid runtime name: nvidia",
        "docker: Error response from daemon: CDI device injection failed: unresolvable CDI devices nvidia.com/gpu=all",
        "RuntimeError: DataLoader worker (pid 71) is killed by signal: Bus error. It is out of shm.",
    ],
)
def test_what_the_engine_printed_is_known_to_explain(said):
    causes = explain(said)
    assert causes
    assert causes[0].area == "container-runtime"
