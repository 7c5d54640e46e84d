"""Files that a scanner holds open: renaming and removing wait for them, and say so when it takes too long."""

from __future__ import annotations

import errno
import importlib.util
import os
from pathlib import Path

import pytest

from dreamboot.host import windows
from support.dreamboot import BOOTSTRAP
from support.wine import in_wine, python


class Scanner:
    """Stands at the system's door: so many calls find a file held open, as Windows reports it."""

    def __init__(self, real, times: int, winerror: int = 32) -> None:
        self._real, self.left, self._winerror = real, times, winerror

    def __call__(self, *arguments, **named):
        if self.left:
            self.left -= 1
            # Windows' own number decides the class: PermissionError for these three.
            number = errno.EACCES if self._winerror in (5, 32, 33) else errno.EINVAL
            refused = OSError(number, "The process cannot access the file", str(arguments[0]))
            refused.winerror = self._winerror
            raise refused
        return self._real(*arguments, **named)


@pytest.fixture
def pauses(monkeypatch) -> list[float]:
    """The seconds that were slept, which here take none."""
    slept: list[float] = []
    monkeypatch.setattr("time.sleep", slept.append)
    return slept


@pytest.fixture
def folder(tmp_path) -> Path:
    place = tmp_path / "venv"
    (place / "Lib").mkdir(parents=True)
    (place / "Lib" / "torch.dll").write_bytes(b"x")
    (place / "Lib" / "torch.dll").chmod(0o444)
    return place


@pytest.mark.parametrize("winerror", [5, 32, 33])
def test_a_folder_is_removed_once_its_files_are_let_go(folder, pauses, monkeypatch, winerror):
    # The first refusal of a try is answered by clearing the read-only mark; the second ends that try.
    scanner = Scanner(os.unlink, 6, winerror)
    monkeypatch.setattr(os, "unlink", scanner)
    windows.remove_tree(folder)
    assert not folder.exists()
    assert scanner.left == 0
    assert len(pauses) == 3


def test_a_folder_is_removed_once_windows_forgets_its_last_file(folder, pauses, monkeypatch):
    monkeypatch.setattr(os, "rmdir", Scanner(os.rmdir, 4, 145))
    windows.remove_tree(folder)
    assert not folder.exists()
    assert len(pauses) == 2


def test_a_file_that_stays_open_is_an_error_after_some_seconds(folder, pauses, monkeypatch):
    monkeypatch.setattr(os, "unlink", Scanner(os.unlink, 1000))
    with pytest.raises(PermissionError, match="cannot access"):
        windows.remove_tree(folder)
    assert 3 < sum(pauses) < 10


def test_other_errors_are_not_waited_for(folder, pauses, monkeypatch):
    monkeypatch.setattr(os, "rmdir", Scanner(os.rmdir, 1000, 1392))
    with pytest.raises(OSError, match="cannot access"):
        windows.remove_tree(folder)
    with pytest.raises(FileNotFoundError):
        windows.remove_tree(folder / "nothing")
    assert pauses == []


def test_a_file_is_renamed_once_it_is_let_go(tmp_path, pauses, monkeypatch):
    source, target = tmp_path / "new", tmp_path / "old"
    source.write_text("new")
    target.write_text("old")
    # pathlib took its own reference to the function in older Pythons, so its method is the door here.
    scanner = Scanner(Path.replace, 3)
    monkeypatch.setattr(Path, "replace", lambda path, other: scanner(path, other))  # noqa: PLW0108 - a bound method
    windows.replace(source, target)
    assert (target.read_text(), len(pauses)) == ("new", 3)


@pytest.fixture
def bootstrap():
    spec = importlib.util.spec_from_file_location("bootstrap_under_test", BOOTSTRAP)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class WindowsNames:
    """`os` as bootstrap.py sees it on Windows: its renames find a file held open."""

    name = "nt"
    path = os.path

    def __init__(self, times: int) -> None:
        self.rename = Scanner(os.rename, times)


def test_bootstrap_moves_its_environment_in_once_it_is_let_go(bootstrap, tmp_path, folder, pauses, monkeypatch):
    monkeypatch.setattr(bootstrap, "os", WindowsNames(4))
    bootstrap.move_in(str(folder), str(tmp_path / "tool"))
    assert (tmp_path / "tool" / "Lib" / "torch.dll").exists()
    assert len(pauses) == 4


def test_bootstrap_says_what_to_do_when_it_is_never_let_go(bootstrap, tmp_path, folder, pauses, monkeypatch):
    monkeypatch.setattr(bootstrap, "os", WindowsNames(1000))
    with pytest.raises(bootstrap.Failure) as refused:
        bootstrap.move_in(str(folder), str(tmp_path / "tool"))
    assert "virus scanner" in refused.value.args[1]
    assert "run the same command again" in refused.value.args[2]
    assert sum(pauses) > 3


def test_another_process_that_was_faster_is_as_good(bootstrap, tmp_path, folder, pauses, monkeypatch):
    (tmp_path / "tool").mkdir()
    (tmp_path / "tool" / "complete").write_text("")
    monkeypatch.setattr(bootstrap, "os", WindowsNames(1000))
    bootstrap.move_in(str(folder), str(tmp_path / "tool"))
    assert pauses == []


# Windows' own open() gives no right to delete or rename, so what is open is held.
HOLDING = r"""
import sys, threading
from pathlib import Path
sys.path.insert(0, "Z:\\repo\\installer")
import bootstrap
from dreamboot.host import platform, windows

top = Path("C:\\held")
if top.exists():
    windows.remove_tree(top)

def held(name, seconds):
    (top / name).mkdir(parents=True, exist_ok=True)
    path = top / name / "open.dll"
    path.write_bytes(b"x" * 10)
    file = path.open("rb")
    threading.Timer(seconds, file.close).start()
    return path

def refused(act):
    try:
        act()
    except OSError as error:
        return error.winerror
    return 0

path = held("removed", 1.0)
print("UNLINK", refused(path.unlink))
platform.remove_tree(path.parent)
print("REMOVED", not path.parent.exists())

path = held("replaced", 1.0)
new = top / "new.dll"
new.write_bytes(b"new")
print("REPLACE", refused(lambda: new.replace(path)))
platform.replace(new, path)
print("REPLACED", path.read_bytes() == b"new")

path = held("beside", 1.0)
bootstrap.move_in(str(path.parent), str(top / "tool"))
print("MOVED", (top / "tool" / "open.dll").exists())

path = held("never", 60.0)
print("NEVER", refused(lambda: platform.remove_tree(path.parent)))
import os
sys.stdout.flush()
os._exit(0)
"""


class TestInWine:
    pytestmark = in_wine

    def test_a_really_open_file_is_waited_for(self):
        said = python(HOLDING, tool=True)
        assert "UNLINK 32" in said, said
        assert "REMOVED True" in said, said
        assert "REPLACED True" in said, said
        assert "MOVED True" in said, said
        assert "NEVER 32" in said, said
        assert "code 0" in said, said
