"""The reference page names every probe and every fault that the code can tell."""

from __future__ import annotations

import re
from pathlib import Path

from dreamboot.machine.stated import state_machine
from dreamboot.machine.survey import probe_names
from dreamboot.values import parse_toml

ROOT = Path(__file__).resolve().parents[3]
PAGE = (ROOT / "docs" / "reference" / "detect.md").read_text(encoding="utf-8")


def test_every_probe_and_every_fault_is_described() -> None:
    code = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "installer/dreamboot/machine").rglob("*.py"))
    faults = set(re.findall(r'(?:\bid=|fault\()"([a-z]+-[a-z-]+)"', code))
    faults = {fault for fault in faults if not fault.startswith("stated-machine")}
    assert len(faults) > 15
    named = set(re.findall(r"`([a-z-]+)`", PAGE))
    assert not {name for name in (*faults, *probe_names()) if name not in named}
    described = {name for name in named if re.match(r"(nvidia|amd|intel)-", name)}
    assert described - {"nvidia-smi"} <= faults


def test_the_example_of_a_stated_machine_is_one() -> None:
    block = re.search(r'((?:    .*\n)*    os = "win11".*\n(?:    .*\n)*)', PAGE)
    assert block is not None
    machine = state_machine(parse_toml(re.sub(r"^    ", "", block.group(1), flags=re.M)))
    assert (machine.os, len(machine.gpus), machine.drivers[0].version) == ("windows", 2, "580.65")
