"""`dreamboot patch` from its arguments to its JSON, on a folder with one small installed distribution."""

from __future__ import annotations

import json
import venv
from pathlib import Path
from typing import Any

import pytest

from dreamboot import patching
from dreamboot.cli import main
from dreamboot.patching import shelves
from support.patch_trees import diff, install, patch_text, tree

OLD, NEW = "one\ntwo\n", "one\nthree\n"


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A distribution, and a shelf with one patch for it, one for another system and one that is needless."""
    folder = tmp_path / "shelf" / "thing"
    folder.mkdir(parents=True)
    body = diff("thing/a.py", OLD, NEW)
    (folder / "010-fix.patch").write_bytes(patch_text(body, head="Remove-When: thing >=2\n"))
    (folder / "020-other.patch").write_bytes(patch_text(body, target="thing ==1.0; macos"))
    (folder / "030-late.patch").write_bytes(patch_text(body, head="Remove-When: thing >=1\n"))
    monkeypatch.setattr(shelves, "folder", lambda _: folder.parent)
    (tmp_path / "machine.toml").write_text('os = "linux"\n')
    return install(tmp_path / "site", {"thing/a.py": OLD.encode()})


@pytest.fixture
def patch(site: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Any:
    """Runs `dreamboot patch WORDS --json`; (exit code, document)."""

    def call(*words: str) -> Any:
        machine = ("--assume", str(tmp_path / "machine.toml"), "--home", str(tmp_path / "home"))
        code = main(["patch", *words, "--site-packages", str(site), *machine, "--yes", "--json"])
        return code, json.loads(capsys.readouterr().out)

    return call


def test_list_says_what_applies_and_why(patch: Any) -> None:
    code, said = patch("list")
    rows = {row["name"]: row for row in said["patches"]}
    assert (code, said["unfinished"], said["unknown"]) == (0, False, [])
    assert (rows["thing/fix"]["applies"], rows["thing/fix"]["state"]) == (True, "not-applied")
    assert rows["thing/other"]["reason"] == "it is for macos, and this is linux"
    assert rows["thing/late"]["needless"] is True


def test_apply_verify_revert(patch: Any, site: Path) -> None:
    before = tree(site)
    assert patch("apply")[1]["applied"] == ["thing/fix"]
    assert (site / "thing/a.py").read_text() == NEW
    assert patch("apply")[1]["already"] == ["thing/fix"]
    assert patch("verify")[1]["verified"] == [{"name": "thing/fix", "state": "applied", "fails": ""}]
    assert patch("revert")[1]["reverted"] == ["thing/fix"]
    assert tree(site) == before


def test_dry_run_shows_the_diff_and_changes_nothing(patch: Any, site: Path) -> None:
    before = tree(site)
    code, said = patch("apply", "--dry-run")
    assert (code, said["applied"]) == (0, ["thing/fix"])
    assert "-two\n+three\n" in said["diff"]
    assert tree(site) == before


def test_a_change_by_hand_is_found(patch: Any, site: Path) -> None:
    patch("apply")
    (site / "thing/a.py").write_text("mine\n")
    code, said = patch("verify")
    assert (code, said["verified"][0]["state"]) == (1, "changed")
    assert patch("revert")[1]["problem"]["id"] == "patched-file-changed"


def test_names_that_do_not_fit(patch: Any) -> None:
    assert patch("apply", "thing/nothing")[1]["problem"]["id"] == "patch-unknown"
    code, said = patch("apply", "thing/other")
    assert (code, said["refused"]["id"]) == (3, "patch-not-for-this")
    assert patch("verify", "thing/fix")[1]["problem"]["id"] == "patch-not-applied"


@pytest.fixture
def own_venv(tmp_path: Path) -> Path:
    """A real, empty environment."""
    venv.create(tmp_path / "venv", with_pip=False, symlinks=True)
    return tmp_path / "venv"


@pytest.mark.parametrize(("promise", "kept"), [("thing.a.NUMBER == 2", True), ("thing.a.NUMBER == 3", False)])
def test_what_a_patch_promises_is_asked_of_the_environment(
    own_venv: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
    promise: str, kept: bool,
) -> None:  # fmt: skip
    """The check runs in the environment's own interpreter; where it fails, every file is as it was."""
    shelf = tmp_path / "shelf" / "thing"
    shelf.mkdir(parents=True)
    body = diff("thing/a.py", "NUMBER = 1\n", "NUMBER = 2\n")
    (shelf / "010-fix.patch").write_bytes(patch_text(body, head=f"Verify: import thing.a; assert {promise}\n"))
    monkeypatch.setattr(shelves, "folder", lambda _: shelf.parent)
    (packages,) = (own_venv / "lib").glob("python*/site-packages")
    before = tree(install(packages, {"thing/__init__.py": b"", "thing/a.py": b"NUMBER = 1\n"}))
    words = ("--python", str(own_venv / "bin" / "python"), "--home", str(tmp_path / "home"), "--yes", "--json")
    code = main(["patch", "apply", *words])
    said = json.loads(capsys.readouterr().out)
    if kept:
        assert (code, said["applied"]) == (0, ["thing/fix"])
        (packages / "thing" / "__init__.py").write_text("raise ImportError('broken since')\n")
        assert main(["patch", "verify", *words]) == 1
        assert json.loads(capsys.readouterr().out)["verified"][0]["fails"] == "ImportError: broken since"
    else:
        assert (code, said["problem"]["id"], said["problem"]["cause"]) == (1, "patch-fails", "AssertionError")
        assert {name: entry for name, entry in tree(packages).items() if "__pycache__" not in name} == before


def test_a_folder_that_is_not_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code = main(["patch", "list", "--site-packages", str(tmp_path / "none"), "--home", str(tmp_path), "--json"])
    assert (code, json.loads(capsys.readouterr().out)["problem"]["id"]) == (1, "no-environment")


def test_people_see_a_table_and_a_sentence(site: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ("--site-packages", str(site), "--assume", str(tmp_path / "machine.toml"), "--home", str(tmp_path / "h"))
    assert main(["patch", "list", *words]) == 0
    assert "thing/fix" in capsys.readouterr().out
    assert main(["patch", "apply", *words]) == 0
    assert "thing/fix: applied" in capsys.readouterr().out


def test_the_public_names_exist() -> None:
    assert all(hasattr(patching, name) for name in patching.__all__)
