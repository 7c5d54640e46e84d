"""Genuine Windows programs under Wine, in the root that DREAMBOOT_WINE_ROOT names (docs/how-to/windows.md)."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any, Sequence

import pytest

from support.dreamboot import ROOT

WINE = Path(os.environ.get("DREAMBOOT_WINE_ROOT", "/nowhere"))
DRIVE = WINE / "root/p/drive_c"
ENTER = ROOT / "tests" / "windows" / "inwine.sh"
in_wine = [
    pytest.mark.windows,
    pytest.mark.skipif(not DRIVE.is_dir(), reason="no Wine root: set DREAMBOOT_WINE_ROOT"),
]


def run(script: str, timeout: float = 120) -> subprocess.CompletedProcess[str]:
    """A .bat of these lines in Wine's cmd.exe; all that it started ends with it. cmd's exit code is lost: echo it."""
    (DRIVE / "t.bat").write_bytes(("@echo off\n" + script).replace("\n", "\r\n").encode("ascii"))
    # A Unix redirect to a file breaks Windows Python's output; a pipe does not.
    words = [str(ENTER), str(WINE), str(ROOT), "sh", "-c", "wine cmd /c 'C:\\t.bat' | cat"]
    return subprocess.run(words, capture_output=True, text=True, timeout=timeout, stdin=subprocess.DEVNULL, check=False)


def batch(script: str, timeout: float = 120) -> str:
    """What such a .bat prints."""
    done = run(script, timeout)
    return done.stdout + done.stderr


def answer(arguments: str, *, home: str, timeout: float = 600, codes: Sequence[int] = (0,)) -> Any:
    """The JSON of `setup.bat ARGUMENTS`, which has to end with one of `codes`."""
    line = f'call Z:\\repo\\installer\\setup.bat {arguments} --json --home "{home}"\necho code %ERRORLEVEL%\n'
    done = run(line, timeout)
    text, _, code = done.stdout.rpartition("code ")
    assert code.strip() in map(str, codes), done.stdout + done.stderr[-3000:]
    return json.loads(text)


def python(code: str, *, tool: bool = False, before: str = "", timeout: float = 300) -> str:
    """What a Windows Python prints: the plain one, or that of dreamboot's own environment (made when missing).

    `before`: lines of a .bat that are run first, in the same session of Wine.
    """
    (DRIVE / "t.py").write_text(code)
    if not tool:
        return batch(f"{before}python C:\\t.py\n", timeout)
    find = "for /d %%D in (%LOCALAPPDATA%\\dreamboot\\tool\\*) do set TOOL=%%D\\Scripts\\python.exe\n"
    make = "if not defined TOOL call Z:\\repo\\installer\\setup.bat --version\n"
    return batch(f"{before}set TOOL=\n{find}{make}{find}%TOOL% C:\\t.py\necho code %ERRORLEVEL%\n", timeout)


def here(path: str) -> Path:
    """A path on drive C: as this machine sees it."""
    assert path[:3].upper() == "C:\\", path
    return DRIVE / path[3:].replace("\\", "/")


def compiler() -> str:
    """The cross compiler for Windows programs; the test is skipped where there is none."""
    found = shutil.which("x86_64-w64-mingw32-gcc")
    if found is None:
        pytest.skip("no compiler for Windows programs: apt-get install gcc-mingw-w64-x86-64-win32")
    return found
