"""Genuine Windows programs under Wine, in the root that DREAMBOOT_WINE_ROOT names (docs/how-to/windows.md)."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from support.dreamboot import ROOT

WINE = Path(os.environ.get("DREAMBOOT_WINE_ROOT", "/nowhere"))
DRIVE = WINE / "root/p/drive_c"
ENTER = ROOT / "tests" / "windows" / "inwine.sh"
in_wine = [
    pytest.mark.windows,
    pytest.mark.skipif(not DRIVE.is_dir(), reason="no Wine root: set DREAMBOOT_WINE_ROOT"),
]


def batch(script: str, timeout: float = 120) -> str:
    """What a .bat of these lines prints, run by Wine's cmd.exe; all that it started ends with it."""
    (DRIVE / "t.bat").write_bytes(script.replace("\n", "\r\n").encode("ascii"))
    # A Unix redirect to a file breaks Windows Python's output; a pipe does not.
    words = [str(ENTER), str(WINE), str(ROOT), "sh", "-c", "wine cmd /c 'C:\\t.bat' 2>&1 | cat"]
    done = subprocess.run(words, capture_output=True, text=True, timeout=timeout, stdin=subprocess.DEVNULL, check=False)
    return done.stdout


def compiler() -> str:
    """The cross compiler for Windows programs, or the test is skipped."""
    found = shutil.which("x86_64-w64-mingw32-gcc")
    if found is None:
        pytest.skip("no compiler for Windows programs: apt-get install gcc-mingw-w64-x86-64-win32")
    return found
