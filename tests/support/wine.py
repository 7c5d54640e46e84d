"""Genuine Windows programs under Wine, in a root of its own (docs/how-to/windows.md).

The root is the one that DREAMBOOT_WINE_ROOT names, or one in the tests' cache folder, made when missing.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import shutil
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Iterator, Sequence

import pytest

from support import engine
from support.dreamboot import ROOT

NAMED = os.environ.get("DREAMBOOT_WINE_ROOT", "")
ENTER = ROOT / "tests" / "windows" / "inwine.sh"
MAKER = ROOT / "tests" / "windows" / "make_root.py"
# A root that another maker made is not taken for this one's.
CACHED = engine.cache_folder() / f"wine-{hashlib.sha256(MAKER.read_bytes()).hexdigest()[:8]}"
WINE = Path(NAMED) if NAMED else CACHED
DRIVE = WINE / "root/p/drive_c"
COMPILER = "x86_64-w64-mingw32-gcc-win32"


def why_not() -> str:
    """Why no Windows program can be run here; "" when one can."""
    if NAMED:
        return "" if DRIVE.is_dir() else f"DREAMBOOT_WINE_ROOT names no Wine root: {NAMED}"
    reason = engine.why_not("Wine's root")
    if reason:
        return reason
    if platform.machine() != "x86_64":
        return "the tests under Wine run Windows programs for x86_64"
    namespaces = ["unshare", "--mount", "--pid", "--uts", "--ipc", "--fork", "--kill-child", "true"]
    done = subprocess.run(namespaces, capture_output=True, text=True, check=False)
    return f"no namespaces can be made here: {done.stderr.strip()}" if done.returncode else ""


REASON = why_not()
in_wine = [
    pytest.mark.windows,
    pytest.mark.skipif(bool(REASON), reason=REASON),
    pytest.mark.usefixtures("wine_root"),
]


def make_root() -> None:
    """Make the root where it is missing; skips when its packages can't be had."""
    if NAMED or DRIVE.is_dir():
        return
    for old in WINE.parent.glob("wine-*/"):
        shutil.rmtree(old)
    beside = WINE.with_name(f"wine.{os.getpid()}")
    try:
        done = subprocess.run([sys.executable, str(MAKER), str(beside)], capture_output=True, text=True, check=False)
        if done.returncode:
            pytest.skip(f"Wine's root can't be made here: {(done.stdout + done.stderr).strip()[-500:]}")
        beside.rename(WINE)
    finally:
        shutil.rmtree(beside, ignore_errors=True)


@contextmanager
def alone() -> Iterator[None]:
    """One Wine session at a time: two would each write the one registry."""
    import fcntl

    WINE.parent.mkdir(parents=True, exist_ok=True)
    with WINE.with_name("wine.lock" if not NAMED else f"{WINE.name}.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def run(script: str, timeout: float = 120) -> subprocess.CompletedProcess[str]:
    """A .bat of these lines in Wine's cmd.exe; all that it started ends with it. cmd's exit code is lost: echo it."""
    # A Unix redirect to a file breaks Windows Python's output; a pipe does not.
    words = [str(ENTER), str(WINE), str(ROOT), "sh", "-c", "wine cmd /c 'C:\\t.bat' | cat"]
    with alone():
        (DRIVE / "t.bat").write_bytes(("@echo off\n" + script).replace("\n", "\r\n").encode("ascii"))
        return subprocess.run(
            words, capture_output=True, text=True, timeout=timeout, stdin=subprocess.DEVNULL, check=False
        )


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
    name = f"t{os.getpid()}.py"
    (DRIVE / name).write_text(code)
    if not tool:
        return batch(f"{before}python C:\\{name}\n", timeout)
    find = "for /d %%D in (%LOCALAPPDATA%\\dreamboot\\tool\\*) do set TOOL=%%D\\Scripts\\python.exe\n"
    make = "if not defined TOOL call Z:\\repo\\installer\\setup.bat --version\n"
    return batch(f"{before}set TOOL=\n{find}{make}{find}%TOOL% C:\\{name}\necho code %ERRORLEVEL%\n", timeout)


def here(path: str) -> Path:
    """A path on drive C: as this machine sees it."""
    assert path[:3].upper() == "C:\\", path
    return DRIVE / path[3:].replace("\\", "/")


def compile_program(source: str, target: Path, *flags: str, more: str = "") -> None:
    """A Windows program or library from C, to `target` on drive C:. `more`: a .def file with its exported names."""
    work = DRIVE / f"compiled.{os.getpid()}"
    work.mkdir(exist_ok=True)
    (work / "one.c").write_text(source)
    (work / "names.def").write_text(more)
    inside, made = f"/{work.relative_to(WINE)}", f"made{target.suffix}"
    words = [COMPILER, "-w", *flags, "-o", f"{inside}/{made}", f"{inside}/one.c"]
    words += [f"{inside}/names.def"] if more else []
    subprocess.run(["chroot", str(WINE), *words], check=True)
    (work / made).replace(target)
    shutil.rmtree(work)
