"""On a machine with a GPU: what we detect is what PyTorch, or at least the vendor's own tool, sees."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from dreamboot.host import current
from dreamboot.machine import detect
from dreamboot.machine.nvidia.smi_csv import FIELDS, parse_csv
from dreamboot.model import Machine, Vendor

pytestmark = pytest.mark.gpu


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Machine:
    found = detect(current(), tmp_path_factory.mktemp("home"), network=False)
    if not any(gpu.usable for gpu in found.gpus):
        pytest.skip("no GPU here")
    return found


def test_each_gpu_has_what_a_plan_needs(machine: Machine) -> None:
    for gpu in machine.gpus:
        if gpu.usable:
            assert gpu.name
            assert gpu.vram_total_mib
            assert gpu.compute_capability or gpu.gfx or gpu.vendor in (Vendor.INTEL, Vendor.APPLE)
    assert machine.drivers
    assert [probe.failed for probe in machine.probes if probe.failed] == []


def test_nvidia_smi_says_the_same(machine: Machine) -> None:
    tool = shutil.which("nvidia-smi")
    if tool is None:
        pytest.skip("no nvidia-smi here")
    command = [tool, f"--query-gpu={','.join(FIELDS)}", "--format=csv"]
    told = parse_csv(subprocess.run(command, capture_output=True, text=True, timeout=30, check=True).stdout)
    ours = [gpu for gpu in machine.gpus if gpu.vendor is Vendor.NVIDIA and not gpu.mig]
    assert [(g.name, g.uuid, g.compute_capability, g.vram_total_mib) for g in ours] == [
        (g.name, g.uuid, g.compute_capability, g.vram_total_mib) for g in told.gpus if not g.mig
    ]
    assert machine.drivers[0].version == told.driver


@pytest.mark.trainer
def test_torch_sees_the_same(machine: Machine) -> None:
    torch = pytest.importorskip("torch")
    if not torch.cuda.is_available() or torch.version.cuda is None:
        pytest.skip("this torch has no CUDA")
    ours = [gpu for gpu in machine.gpus if gpu.vendor is Vendor.NVIDIA]
    seen = [torch.cuda.get_device_properties(index) for index in range(torch.cuda.device_count())]
    assert {(card.name, f"{card.major}.{card.minor}") for card in seen} <= {
        (gpu.name, gpu.compute_capability) for gpu in ours
    }


def test_the_same_twice(machine: Machine, tmp_path: Path) -> None:
    again = detect(current(), tmp_path, network=False)
    assert [(gpu.name, gpu.uuid, gpu.vram_total_mib) for gpu in again.gpus] == [
        (gpu.name, gpu.uuid, gpu.vram_total_mib) for gpu in machine.gpus
    ]
