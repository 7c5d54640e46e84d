"""Bootstrap: what it decides, without building anything."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

from dreamboot.values import parse_toml

ROOT = Path(__file__).resolve().parents[2]
BOOTSTRAP = ROOT / "installer" / "bootstrap.py"


@pytest.fixture(scope="module")
def bootstrap():
    spec = importlib.util.spec_from_file_location("bootstrap_under_test", BOOTSTRAP)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_it_reads_the_dependencies_that_toml_says(bootstrap):
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    assert bootstrap.dependencies(text) == parse_toml(text)["project"]["dependencies"]


@pytest.mark.parametrize("arguments", [["--home", "x y"], ["--home=x y"], ["up", "--home", "x y"]])
def test_home_is_absolute(bootstrap, arguments, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert bootstrap.home_folder(arguments) == str(tmp_path / "x y")


def test_home_agrees_with_the_command_line(bootstrap, monkeypatch):
    from dreamboot.terminal.context import home_folder

    monkeypatch.delenv("DREAMBOOT_HOME", raising=False)
    assert bootstrap.home_folder([]) == str(home_folder(None))
    monkeypatch.setenv("DREAMBOOT_HOME", "elsewhere")
    assert bootstrap.home_folder([]) == str(home_folder(None))


def test_other_environments_do_not_leak(bootstrap, monkeypatch):
    for name in ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV", "CONDA_PREFIX", "PIP_TARGET"):
        monkeypatch.setenv(name, "x")
    monkeypatch.setenv("PIP_INDEX_URL", "kept")
    clean = bootstrap.clean_environment()
    assert clean["PIP_INDEX_URL"] == "kept"
    assert not {"PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV", "CONDA_PREFIX", "PIP_TARGET"} & set(clean)


def test_an_unwritable_home_is_a_problem(tmp_path):
    blocker = tmp_path / "file"
    blocker.write_text("")
    done = subprocess.run(
        [sys.executable, str(BOOTSTRAP), "--home", str(blocker / "home"), "detect"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert "can't be written" in done.stderr
    assert "--home FOLDER" in done.stderr
    assert "Traceback" not in done.stderr


def test_old_pythons_can_read_it():
    """The file must stay readable for Python 2.7, which has to print the sentence about its age."""
    import ast

    tree = ast.parse(BOOTSTRAP.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        assert not isinstance(node, (ast.JoinedStr, ast.AnnAssign, ast.NamedExpr, ast.AsyncFunctionDef)), node.lineno
        if isinstance(node, ast.FunctionDef):
            assert node.returns is None
            assert not node.args.kwonlyargs
            assert not [argument for argument in node.args.args if argument.annotation]


@pytest.mark.parametrize("stream", ["stdout", "stderr"])
def test_closed_streams_are_no_fault(bootstrap, monkeypatch, stream):
    monkeypatch.setattr(sys, stream, None)
    bootstrap.open_streams()
    getattr(sys, stream).write("goes nowhere")


@pytest.mark.skipif(sys.platform == "win32", reason="a shell closes the streams")
@pytest.mark.parametrize("closed", [">&-", ">&- 2>&-", "<&- >&- 2>&-"])
def test_the_command_line_runs_with_closed_streams(closed, tmp_path):
    start = "import sys; sys.path.insert(0, sys.argv.pop(1)); from dreamboot.cli import main; sys.exit(main())"
    line = '"$0" -c "$1" "$2" --home "$3" env list ' + closed
    done = subprocess.run(
        ["sh", "-c", line, sys.executable, start, str(ROOT / "installer"), str(tmp_path)], check=False
    )
    assert done.returncode == 0


@pytest.mark.parametrize(
    ("uid", "programs", "expected"),
    [
        (0, ("sudo", "su"), "apt-get update && apt-get install -y python3-venv"),
        (1000, ("sudo", "su"), "sudo apt-get update && sudo apt-get install -y python3-venv"),
        (1000, ("su",), 'su -c "apt-get update && apt-get install -y python3-venv"'),
    ],
)
def test_the_missing_command_is_as_this_person_has_to_type_it(
    uid, programs, expected, bootstrap, tmp_path, monkeypatch
):
    monkeypatch.setattr("os.geteuid", lambda: uid, raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    for name in programs:
        (tmp_path / name).write_text("")
        (tmp_path / name).chmod(0o755)
    lists = tmp_path / "lists"
    lists.mkdir()
    wanted = "apt-get install -y python3-venv"
    assert bootstrap.as_administrator(bootstrap.with_lists(wanted, str(lists))) == expected
    (lists / "deb.example_main_binary-amd64_Packages.lz4").write_text("")
    assert bootstrap.with_lists(wanted, str(lists)) == wanted
    assert bootstrap.with_lists("dnf install -y python3-pip", str(lists)) == "dnf install -y python3-pip"


def test_offline_fetches_nothing_for_the_tool_itself(tmp_path):
    done = subprocess.run(
        [sys.executable, str(BOOTSTRAP), "--home", str(tmp_path / "home"), "detect", "--offline"],
        env={**os.environ, "PIP_CONFIG_FILE": os.devnull}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert "downloads" not in done.stderr and "Traceback" not in done.stderr
    assert "--offline forbids" in done.stderr and "bundle" in done.stderr
    assert not list((tmp_path / "home").rglob("complete"))
