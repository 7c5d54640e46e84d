"""setup.bat: what can be read off the file, and the real thing in Wine's cmd.exe with a genuine Windows Python.

Without a Wine root (support/wine.py) the second half is skipped.
"""

from __future__ import annotations

import re

import pytest

from support.dreamboot import ROOT
from support.wine import DRIVE, answer, batch, in_wine

BATCH = ROOT / "installer" / "setup.bat"
HOME = "%LOCALAPPDATA%\\dreamboot"


@pytest.fixture(scope="module")
def text() -> str:
    return BATCH.read_bytes().decode("ascii")


def test_lines_end_as_cmd_wants_them(text):
    assert text.count("\n") == text.count("\r\n")


def test_every_label_that_is_named_is_there(text):
    labels = {label.lower() for label in re.findall(r"(?m)^:(\w+)", text)}
    named = {label.lower() for label in re.findall(r"(?:goto|call) :?(\w+)", re.sub(r"(?m)^(rem|echo).*$", "", text))}
    assert named <= labels
    assert labels <= named | {"eof"}


def test_exclamation_marks_and_percent_signs_in_paths_survive(text):
    assert "DisableDelayedExpansion" in text
    assert "EnableDelayedExpansion" not in text
    assert not re.search(r'(?m)^\s*call "', text), "call expands percent signs once more"


def test_nothing_is_run_by_powershell(text):
    assert "powershell" not in text.lower()


@pytest.mark.parametrize("folder", ["a b", "a & b", "x (y)", "w ! v"])
class TestInWine:
    pytestmark = in_wine

    def test_arguments_and_exit_codes_pass_through(self, folder):
        place = DRIVE / "m" / folder / "installer"
        place.mkdir(parents=True, exist_ok=True)
        (place / "setup.bat").write_bytes(BATCH.read_bytes())
        (place / "bootstrap.py").write_text("import sys\nprint('GOT', sys.argv[1:])\nsys.exit(7)\n")
        said = batch(f'call "C:\\m\\{folder}\\installer\\setup.bat" plan "--x=a b & c"\necho code %ERRORLEVEL%\n')
        assert "GOT ['plan', '--x=a b & c']" in said
        assert "code 7" in said


class TestTheToolInWine:
    pytestmark = in_wine

    def test_a_windows_machine_is_detected_by_a_windows_python(self):
        said = batch("call Z:\\repo\\installer\\setup.bat detect\necho code %ERRORLEVEL%\n", timeout=600)
        assert "Windows 10" in said
        assert "code 0" in said

    def test_the_whole_way_is_planned_for_it(self):
        told = answer("up --yes --dry-run", home=HOME)
        plan = told["plan"]
        assert (plan["python"], plan["device"]) == ("3.11", "cpu")
        assert plan["python_path"].lower() == "c:\\python311\\python.exe"
        assert any(step.startswith("create venv") for step in told["steps"])
        assert not (DRIVE / "users/root/AppData/Local/dreamboot/envs").exists()

    def test_the_doctor_looks_through_a_windows_tree(self):
        """A wheel of Windows, installed by pip on Windows: whole, then with a file gone."""
        said = batch("python -m pip install --quiet --no-deps safetensors\necho code %ERRORLEVEL%\n", timeout=300)
        assert "code 0" in said
        package = DRIVE / "Python311/Lib/site-packages/safetensors"
        assert list(package.glob("*.pyd"))
        assert finding("files-missing") == "ok"
        (package / "torch.py").rename(DRIVE / "gone.py")
        try:
            assert finding("files-missing") == "error"
        finally:
            (DRIVE / "gone.py").rename(package / "torch.py")


def finding(name: str) -> str:
    """What the doctor says of the Windows Python, by one of its checks."""
    found = answer("doctor --python C:\\Python311\\python.exe", home=HOME, codes=(0, 1))["findings"]
    assert [one for one in found if one["status"] == "crashed"] == []
    return next(one["status"] for one in found if one["id"] == name)
