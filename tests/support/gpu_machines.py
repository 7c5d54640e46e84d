"""Stated machines with GPUs, as the files and programs that the probes ask; and what the probes find there."""

from __future__ import annotations

from pathlib import Path
from typing import Dict, List, Mapping, Tuple

from dreamboot.machine.survey import survey
from dreamboot.model import Machine
from support.fake_host import Answer, FakeHost

CAPTURES = Path(__file__).resolve().parents[1] / "captures"
MAKERS = ("amd", "apple", "intel", "nvidia")


def capture(name: str) -> str:
    return (CAPTURES / name).read_text()


def find(host: FakeHost) -> Machine:
    machine = survey(host, Path("/home/me/dreamboot"), names=MAKERS, network=False)
    assert [probe.failed for probe in machine.probes] == [""] * 4
    return machine


def faults(machine: Machine) -> List[str]:
    return [fault.id for fault in machine.faults]


def pci(
    address: str, vendor: str, device: str, driver: str = "", kind: str = "0x030000"
) -> Tuple[Dict[str, str], Dict[str, str]]:
    """(files, links) of one device on the bus."""
    folder = f"/sys/bus/pci/devices/{address}"
    files = {f"{folder}/vendor": f"{vendor}\n", f"{folder}/device": f"{device}\n", f"{folder}/class": f"{kind}\n"}
    return files, ({f"{folder}/driver": f"/sys/bus/pci/drivers/{driver}"} if driver else {})


def linux(
    *devices: Tuple[Dict[str, str], Dict[str, str]], files: Mapping[str, str] = {}, programs: Mapping[str, Answer] = {}
):
    all_files = {**dict(item for more, _ in devices for item in more.items()), **files}
    return FakeHost(
        files=all_files, links=dict(item for _, more in devices for item in more.items()), programs=programs
    )
