"""The house rules that a machine can hold: who imports whom, who touches the system, how large a file may grow."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
INSTALLER = ROOT / "installer" / "dreamboot"
TRAINER = ROOT / "trainer" / "dreamboot_trainer"

# Imports run one way: a room may import rooms of a lower floor, and itself.
FLOORS = (
    ("__main__",),
    ("cli",),
    ("terminal",),
    ("app",),
    ("doctor", "building", "launching", "planning"),
    ("machine", "patching", "catalog"),
    ("host",),
    ("model",),
    ("values",),
)
# Rooms of one floor that may lean on each other, each with its reason.
ALLOWED = {
    ("building", "launching"): "a build writes accelerate's configuration",
    ("launching", "building"): "a launch asks where an environment lies",
    ("building", "planning"): "a lock takes the plan's own resolver arguments",
    ("doctor", "building"): "the doctor repairs through the builder's steps",
    ("doctor", "planning"): "the doctor asks the planner's rules, so that the two never disagree",
    ("doctor", "launching"): "the doctor reads what a launch writes",
    ("machine", "catalog"): "a probe looks names up in the facts about the world",
}
# Longer files than this must be argued for here.
LARGEST = 400
LARGE = {"installer/dreamboot/model.py": "all nouns in one place: declarations only, no behaviour to split"}
# Programs that run inside a built environment, alone: they import what is installed there.
CHILDREN = {"building/old_step_child.py", "building/verify_child.py"}


def modules(root: Path) -> list[Path]:
    """All Python files of a package."""
    return sorted(path for path in root.rglob("*.py") if "__pycache__" not in path.parts)


def imported(path: Path) -> set[str]:
    """Dotted names that a file imports anywhere, also inside functions."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return found


def room(path: Path) -> str:
    """The room that a file of the installer belongs to."""
    return path.relative_to(INSTALLER).parts[0].removesuffix(".py")


def floor(name: str) -> int:
    """0 is the top; unknown rooms have none."""
    return next(index for index, rooms in enumerate(FLOORS) if name in rooms)


def test_every_room_has_a_floor():
    rooms = {room(path) for path in modules(INSTALLER)} - {"__init__", "data"}
    assert rooms <= {name for rooms in FLOORS for name in rooms}


@pytest.mark.parametrize("path", modules(INSTALLER), ids=lambda path: str(path.relative_to(INSTALLER)))
def test_imports_run_one_way(path):
    here = room(path)
    if here == "__init__" or str(path.relative_to(INSTALLER)) in CHILDREN:
        return
    for name in imported(path):
        parts = name.split(".")
        assert parts[0] not in ("torch", "diffusers", "transformers", "accelerate", "dreamboot_trainer"), name
        if parts[0] == "dreamboot" and len(parts) > 1 and (INSTALLER / parts[1]).exists():
            there = parts[1]
            assert here == there or floor(here) < floor(there) or (here, there) in ALLOWED, f"{here} imports {name}"


@pytest.mark.parametrize("path", modules(TRAINER), ids=lambda path: str(path.relative_to(TRAINER)))
def test_the_trainer_never_imports_the_installer(path):
    assert not {name for name in imported(path) if name.split(".")[0] == "dreamboot"}


@pytest.mark.parametrize("path", modules(INSTALLER), ids=lambda path: str(path.relative_to(INSTALLER)))
def test_only_the_host_touches_the_system(path):
    if room(path) in ("host", "terminal", "cli"):
        return
    forbidden = {"subprocess", "shutil"} & imported(path)
    assert not forbidden
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        assert not (isinstance(node, ast.Attribute) and node.attr in ("environ", "getenv") and _is_os(node.value))
        assert not (isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print")


def _is_os(node: ast.AST) -> bool:
    return isinstance(node, ast.Name) and node.id == "os"


@pytest.mark.parametrize("path", [*modules(INSTALLER), *modules(TRAINER)], ids=lambda path: str(path.relative_to(ROOT)))
def test_files_stay_small(path):
    lines = len(path.read_text(encoding="utf-8").splitlines())
    assert lines <= LARGEST or str(path.relative_to(ROOT)) in LARGE, f"{lines} lines: split it, or argue in LARGE"


@pytest.mark.parametrize("path", [*modules(INSTALLER), *modules(TRAINER)], ids=lambda path: str(path.relative_to(ROOT)))
def test_every_module_says_what_it_is(path):
    docstring = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))
    assert docstring
    assert docstring.splitlines()[0].strip()


def tracked() -> list[Path]:
    """Text files that are part of the project."""
    suffixes = {
        ".py",
        ".md",
        ".toml",
        ".json",
        ".jsonl",
        ".tsv",
        ".csv",
        ".txt",
        ".sh",
        ".bat",
        ".yaml",
        ".yml",
        ".patch",
        ".c",
    }
    skipped = {".git", "__pycache__", ".mypy_cache", ".ruff_cache", ".hypothesis", "node_modules", "captures"}
    return [
        path
        for path in ROOT.rglob("*")
        if path.suffix in suffixes and path.is_file() and not skipped & set(path.relative_to(ROOT).parts)
    ]


def test_nothing_names_this_machine_or_a_package_host():
    # Written in pieces, so that this file does not name them either.
    hosts = ("py" + "pi.org", "python" + "hosted.org", "registry." + "npmjs", "deb." + "debian.org")
    machine = re.compile(r"(?<![\w.])/(?:work|farm)/[a-zA-Z.]|/root/\.pyenv")
    for path in tracked():
        text = path.read_text(encoding="utf-8", errors="replace")
        assert not [host for host in hosts if host in text], path
        assert not machine.search(text), path


def test_no_shell_and_no_blind_unpickling():
    for path in [*modules(INSTALLER), *modules(TRAINER), ROOT / "installer" / "bootstrap.py"]:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Call):
                continue
            names = {keyword.arg: keyword.value for keyword in node.keywords}
            assert "shell" not in names, path
            if isinstance(node.func, ast.Attribute) and node.func.attr == "load" and _named(node.func.value, "torch"):
                only = names.get("weights_only")
                assert isinstance(only, ast.Constant), path
                assert only.value is True, path


def _named(node: ast.AST, name: str) -> bool:
    return isinstance(node, ast.Name) and node.id == name
