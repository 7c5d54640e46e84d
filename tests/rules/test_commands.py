"""The command line is a promise: its names are frozen, each command has its file, help stays cheap."""

from __future__ import annotations

import argparse
import importlib
import json
import subprocess
import sys
from pathlib import Path

import pytest

from dreamboot import cli

ROOT = Path(__file__).resolve().parents[2]
PROMISED = {"up", "detect", "plan", "build", "env", "patch", "train", "convert", "doctor", "explain", "test"}


def run(*arguments: str, home: Path) -> subprocess.CompletedProcess[str]:
    """The command line in a process of its own."""
    command = [sys.executable, "-m", "dreamboot", *arguments, "--home", str(home)]
    return subprocess.run(command, capture_output=True, text=True, cwd=ROOT / "installer", timeout=120, check=False)


def test_promised_names_exist():
    assert set(cli.COMMANDS) >= PROMISED


@pytest.mark.parametrize("name", sorted(cli.COMMANDS))
def test_each_command_has_its_file_and_help(name):
    module = importlib.import_module(f"dreamboot.terminal.commands.{name}")
    parser = argparse.ArgumentParser()
    module.add_arguments(parser)
    assert module.HELP
    assert callable(module.run)
    assert callable(module.render)


def test_help_imports_no_heavy_library():
    code = (
        "import sys; from dreamboot.cli import main\n"
        "try: main(['--help'])\n"
        "except SystemExit: pass\n"
        "heavy = {'rich', 'cattrs', 'requests', 'psutil', 'questionary', 'uv', 'packaging', 'asyncio'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT / "installer", capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_common_options_stand_before_or_after_the_command(tmp_path):
    for arguments in (["--json", "env", "list"], ["env", "--json", "list"]):
        done = run(*arguments, home=tmp_path)
        assert json.loads(done.stdout) == {"schema": 1, "environments": []}, done.stderr


@pytest.mark.parametrize("arguments", [["nonsense"], ["env", "list", "--nonsense"], ["train", "stray"]])
def test_wrong_usage_is_exit_code_2(tmp_path, arguments):
    assert run(*arguments, home=tmp_path).returncode == 2


def test_a_problem_is_json_too(tmp_path):
    done = run("env", "show", "nothing", "--json", home=tmp_path)
    assert done.returncode == 1
    problem = json.loads(done.stdout)["problem"]
    assert problem["id"] == "environment-missing"
    assert problem["hint"].startswith("dreamboot build")


def test_a_problem_for_people_says_what_why_and_next(tmp_path):
    done = run("env", "rollback", home=tmp_path)
    assert done.returncode == 1
    assert done.stdout == ""
    assert all(word in done.stderr for word in ("Problem:", "Why:", "Next:"))
    assert "Traceback" not in done.stderr
    assert "\x1b" not in done.stderr
