"""The doctor's command for long paths does what it says, without PowerShell."""

from __future__ import annotations

from dreamboot.doctor.checks.windows_long_paths import CHECK
from dreamboot.doctor.facts.values import Facts
from dreamboot.model import Machine
from support.wine import in_wine, python

FILE_SYSTEM = "HKLM\\SYSTEM\\CurrentControlSet\\Control\\FileSystem"
DETECT = r"""
import sys
from pathlib import Path
sys.path.insert(0, "Z:\\repo\\installer")
from dreamboot.host import current
from dreamboot.machine.asking import Asking
from dreamboot.machine.probes import system
print("LONG", system.probe(Asking(current(), Path("C:\\"), seconds=100.0))["long_paths"])
"""


def command() -> str:
    """What the doctor tells to type."""
    found = CHECK.run(Facts(machine=Machine(os="windows", long_paths=False)))
    (step,) = found.fix
    return step.command


def test_it_is_for_the_plain_console():
    assert command().startswith("reg add HKLM")
    assert "powershell" not in command().lower()


class TestInWine:
    pytestmark = in_wine

    def test_the_command_allows_long_paths(self):
        # Wine forgets a session's last changes of the registry when it is ended at once: the same session looks.
        delete = f"reg delete {FILE_SYSTEM} /v LongPathsEnabled /f >nul\n"
        assert "LONG False" in python(DETECT, tool=True, before=delete)
        assert "LONG True" in python(DETECT, tool=True, before=f"{command()}\n")
        assert "LONG False" in python(DETECT, tool=True, before=delete)
