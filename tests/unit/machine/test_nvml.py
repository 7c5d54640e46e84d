"""The real NVML client in the real child process, against a library that plays healthy and broken drivers."""

from __future__ import annotations

import shutil
import subprocess
import time
from pathlib import Path
from typing import List

import pytest

from dreamboot.host import current
from dreamboot.machine.survey import survey
from dreamboot.model import Machine

SOURCE = Path(__file__).resolve().parents[2] / "support" / "stub_nvml.c"


@pytest.fixture(scope="session")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    compiler = shutil.which("gcc") or shutil.which("cc")
    if compiler is None:
        pytest.skip("no C compiler here")
    folder = tmp_path_factory.mktemp("nvml")
    command = [compiler, "-shared", "-fPIC", "-O1", "-o", str(folder / "libnvidia-ml.so.1"), str(SOURCE)]
    subprocess.run(command, check=True, capture_output=True, timeout=60)
    return folder


@pytest.fixture
def play(library: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    """Detects the NVIDIA side of a machine that the library plays; no nvidia-smi is on PATH."""
    monkeypatch.setenv("LD_LIBRARY_PATH", str(library))
    monkeypatch.setenv("PATH", str(tmp_path))

    def detect(machine: str) -> Machine:
        monkeypatch.setenv("STUB_NVML", machine)
        return survey(current(), tmp_path, network=False, names=["nvidia"])

    return detect


def fault_ids(machine: Machine) -> List[str]:
    return [fault.id for fault in machine.faults]


def test_one_gpu(play) -> None:
    machine = play("one")
    (gpu,) = machine.gpus
    assert (gpu.name, gpu.compute_capability, gpu.pci_id) == ("NVIDIA GeForce RTX 4090", "8.9", "00000000:01:00.0")
    assert (gpu.vram_total_mib, gpu.vram_free_mib) == (24564, 24052)
    assert [(p.pid, p.name, p.vram_mib) for p in gpu.processes] == [(4711, "python", 300), (4712, "Xorg", 300)]
    assert not gpu.mig
    (driver,) = machine.drivers
    assert (driver.version, driver.cuda_version) == ("580.65.06", "13.0")
    assert machine.faults == ()


def test_eight_gpus(play) -> None:
    machine = play("eight")
    assert [gpu.index for gpu in machine.gpus] == list(range(8))
    assert len({gpu.uuid for gpu in machine.gpus}) == 8


def test_mig_slices_are_listed_in_place_of_their_card(play) -> None:
    machine = play("mig")
    assert [gpu.name for gpu in machine.gpus] == [
        f"NVIDIA H100 80GB HBM3 MIG {profile}" for profile in ("3g.40gb", "1g.10gb")
    ]
    assert [gpu.vram_total_mib for gpu in machine.gpus] == [40448, 9984]
    assert all(gpu.mig and gpu.uuid.startswith("MIG-") and gpu.compute_capability == "9.0" for gpu in machine.gpus)


def test_mig_mode_without_slices_is_a_fault(play) -> None:
    machine = play("mig-uncut")
    assert fault_ids(machine) == ["nvidia-mig-without-devices"]
    assert machine.gpus[0].mig


@pytest.mark.parametrize(
    ("machine", "fault"),
    [
        ("mismatch", "nvidia-driver-library-mismatch"),
        ("permission", "nvidia-no-permission"),
        ("not-loaded", "nvidia-driver-not-running"),
        ("blocked", "nvidia-wsl-blocked"),
        ("unknown", "nvidia-container-lost-gpu"),
        ("none", "nvidia-no-devices"),
        ("crash", "nvidia-driver-crashed"),
        ("crash-late", "nvidia-driver-crashed"),
    ],
)
def test_a_driver_in_trouble_is_a_fact(play, machine: str, fault: str) -> None:
    found = play(machine)
    assert fault_ids(found) == [fault]
    assert found.gpus == ()
    assert found.probes[0].failed == ""


def test_a_driver_that_hangs_costs_seconds_not_the_answer(play) -> None:
    begun = time.monotonic()
    found = play("hang")
    assert fault_ids(found) == ["nvidia-driver-hangs"]
    assert time.monotonic() - begun < 6


def test_one_lost_gpu_leaves_the_other_usable(play) -> None:
    found = play("two-one-lost")
    assert [gpu.index for gpu in found.gpus] == [0]
    assert fault_ids(found) == ["nvidia-gpu-lost"]


def test_nvidia_smi_answers_where_nvml_crashes(play, tmp_path: Path) -> None:
    tool = tmp_path / "nvidia-smi"
    capture = SOURCE.parents[1] / "captures" / "linux-geforce-rtx-2080-super__610.57.04"
    tool.write_text(
        "#!/bin/sh\n"
        f'case "$1" in --query*) exec /bin/cat "{capture}.csv.txt";; "") exec /bin/cat "{capture}.table.txt";; esac\n'
    )
    tool.chmod(0o755)
    found = play("crash")
    (gpu,) = found.gpus
    assert (gpu.name, gpu.compute_capability) == ("NVIDIA GeForce RTX 2080 SUPER", "7.5")
    assert [process.name for process in gpu.processes] == ["/usr/bin/gnome-shell", "/usr/bin/Xwayland"]
    assert (found.drivers[0].version, found.drivers[0].cuda_version) == ("610.57.04", "13.3")
    assert fault_ids(found) == ["nvidia-driver-crashed"]
