"""setup.sh: any POSIX shell, any path; says what to install where there is no Python."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parents[2] / "installer" / "setup.sh"
SHELLS = [shell for shell in ("sh", "bash", "dash") if shutil.which(shell)]


def test_shellcheck_has_nothing_to_say():
    found = shutil.which("shellcheck", path=f"{Path(sys.executable).parent}")
    if found is None:
        pytest.skip("shellcheck is not installed here")
    done = subprocess.run([found, str(SCRIPT)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


@pytest.fixture
def copied(tmp_path):
    """setup.sh beside a bootstrap.py that tells what it was given."""
    place = tmp_path / "a b & (c) $d 'e' ü" / "installer"
    place.mkdir(parents=True)
    shutil.copy(SCRIPT, place)
    (place / "bootstrap.py").write_text("import sys\nprint(sys.argv[1:])\nsys.exit(7)\n")
    return place / "setup.sh"


@pytest.mark.parametrize("shell", SHELLS)
def test_arguments_and_exit_codes_pass_through(shell, copied):
    done = subprocess.run([shell, str(copied), "plan", "a  b", "*"], capture_output=True, text=True, check=False)
    assert done.stdout.strip() == "['plan', 'a  b', '*']"
    assert done.returncode == 7


@pytest.mark.parametrize("shell", SHELLS)
def test_without_arguments_it_goes_the_whole_way(shell, copied):
    done = subprocess.run([shell, "setup.sh"], cwd=copied.parent, capture_output=True, text=True, check=False)
    assert done.stdout.strip() == "['up']"


@pytest.mark.parametrize(
    ("programs", "line"),
    [
        ({"id": "echo 0"}, "apt-get install -y python3 python3-venv"),
        ({"id": "echo 1000", "sudo": ""}, "sudo apt-get install -y python3 python3-venv"),
        ({"id": "echo 1000"}, "su -c 'apt-get install -y python3 python3-venv'"),
    ],
    ids=["root", "sudo", "su"],
)
def test_no_python_names_the_one_command_that_is_missing(programs, line, copied, tmp_path):
    tools = tmp_path / "tools"
    tools.mkdir()
    for name, does in {"apt-get": "", "python3": "exit 1", **programs}.items():
        (tools / name).write_text(f"#!/bin/sh\n{does}\n")
        (tools / name).chmod(0o755)
    environment = {"PATH": str(tools), "HOME": str(tmp_path)}
    shell = shutil.which("sh") or "sh"
    done = subprocess.run([shell, str(copied)], env=environment, capture_output=True, text=True, check=False)
    if "['up']" in done.stdout or done.returncode == 7:
        pytest.skip("a Python lies in a folder that setup.sh looks into whatever PATH says")
    assert done.returncode == 1
    assert f"Next:    {line}\n" in done.stderr


def test_a_lone_copy_says_so(tmp_path):
    shutil.copy(SCRIPT, tmp_path)
    done = subprocess.run(["sh", str(tmp_path / "setup.sh")], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "bootstrap.py is not beside" in done.stderr
