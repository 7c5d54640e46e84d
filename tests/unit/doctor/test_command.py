"""The two commands as people and programs use them."""

from __future__ import annotations

import json
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
LOGS = ROOT / "tests/captures/logs"


def dreamboot(*arguments, home, stdin=""):
    command = [sys.executable, "-m", "dreamboot", "--home", str(home), *arguments]
    return subprocess.run(command, cwd=ROOT / "installer", input=stdin, capture_output=True, text=True, check=False)


@pytest.fixture
def environment(tmp_path):
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(tmp_path / "venv")], check=True)
    return tmp_path / "venv"


def test_doctor_keeps_its_promise(environment, tmp_path):
    done = dreamboot("doctor", "--python", str(environment), "--json", home=tmp_path / "home")
    told = json.loads(done.stdout)
    assert told["schema"] == 1
    assert done.returncode == 0
    for finding in told["findings"]:
        assert {"id", "area", "status", "evidence", "problem", "fix"} <= set(finding)
    assert told["python"]["path"] == str(environment / "bin/python")


def test_doctor_for_people_names_the_python_first(environment, tmp_path):
    done = dreamboot("doctor", "--python", str(environment), home=tmp_path / "home")
    assert done.stdout.splitlines()[0].startswith("Python 3.")
    assert "\x1b[" not in done.stdout
    assert "path-pip" in done.stdout


def test_markdown_and_report_name_nobody(environment, tmp_path):
    report = tmp_path / "report.zip"
    done = dreamboot(
        "doctor", "--python", str(environment), "--markdown", "--report", str(report), home=tmp_path / "home"
    )
    assert done.stdout.startswith("### dreamboot doctor")
    assert str(Path("~").expanduser()) + "/" not in done.stdout
    with zipfile.ZipFile(report) as archive:
        assert set(archive.namelist()) == {"findings.json", "facts.json"}
        assert json.loads(archive.read("facts.json"))["target"]["kind"] == "venv"


def test_a_red_finding_makes_the_exit_code_one(environment, tmp_path):
    for name in (environment / "bin").glob("python*"):
        name.unlink()
    done = dreamboot("doctor", "--python", str(environment), "--json", home=tmp_path / "home")
    assert done.returncode == 1
    assert json.loads(done.stdout)["findings"][0]["id"] == "python-works"


def test_a_path_to_nothing_is_said(tmp_path):
    done = dreamboot("doctor", "--python", str(tmp_path / "none"), "--json", home=tmp_path / "home")
    assert done.returncode == 1
    assert json.loads(done.stdout)["problem"]["id"] == "no-python"


def test_explain_reads_a_file_and_standard_input(tmp_path):
    log = LOGS / "cc-pascal-cu128.txt"
    from_file = dreamboot("explain", str(log), "--json", home=tmp_path)
    piped = dreamboot("explain", "-", "--json", home=tmp_path, stdin=log.read_text())
    told = [json.loads(done.stdout)["causes"] for done in (from_file, piped)]
    assert told[0] == told[1]
    assert {"id", "area", "confidence", "problem", "fix"} <= set(told[0][0])
    assert told[0][0]["id"] == "cc-pascal-cu128"


def test_explain_takes_the_last_run(tmp_path):
    for number, name in enumerate(("ds-no-data", "mf-incomplete")):
        folder = tmp_path / "runs" / name
        folder.mkdir(parents=True)
        (folder / "trainer.log").write_text((LOGS / f"{name}.txt").read_text())
        import os

        os.utime(folder / "trainer.log", (1000 + number, 1000 + number))
    done = dreamboot("explain", "--last-run", "--json", home=tmp_path)
    assert json.loads(done.stdout)["causes"][0]["id"] == "mf-incomplete"


def test_explain_says_that_it_does_not_know(tmp_path):
    done = dreamboot("explain", "-", home=tmp_path, stdin="something else\n")
    assert "do not know" in done.stdout
    assert done.returncode == 0


def test_explain_without_a_log_says_how(tmp_path):
    done = dreamboot("explain", str(tmp_path / "none.txt"), "--json", home=tmp_path)
    assert done.returncode == 1
    assert json.loads(done.stdout)["problem"]["id"] == "log-unreadable"
