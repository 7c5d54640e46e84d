"""Which Python setup.bat takes, and what it says of those that it passes over, in Wine's cmd.exe."""

from __future__ import annotations

import shutil

import pytest

from support.dreamboot import ROOT
from support.wine import DRIVE, batch, compile_program, in_wine

pytestmark = in_wine

# A python.exe that ends as told, whatever it is asked.
STUB = """
#include <stdlib.h>
int main(void) { if (CODE < 0) { volatile int *nowhere = 0; *nowhere = 1; } return CODE; }
"""
# The py launcher starts the newest Python with what follows `-3`; another program stands for a Python of its own.
FORWARD = r"""
#include <windows.h>
#include <stdio.h>
int wmain(int count, wchar_t **words) {
    static wchar_t line[32000];
    wchar_t *rest = LAUNCHER ? wcsstr(GetCommandLineW(), L" -3") : wcsstr(GetCommandLineW(), L"python.exe");
    STARTUPINFOW start = {sizeof start};
    PROCESS_INFORMATION process;
    DWORD code;
    if (!rest) return 103;
    rest += LAUNCHER ? 3 : 10;
    _snwprintf(line, 32000, L"C:\\Python311\\python.exe%ls", *rest == L'"' ? rest + 1 : rest);
    if (!CreateProcessW(0, line, 0, 0, TRUE, 0, 0, 0, &start, &process)) return 104;
    WaitForSingleObject(process.hProcess, INFINITE);
    GetExitCodeProcess(process.hProcess, &code);
    return code;
}
"""
# uv, asked for `python install 3.12`: it puts one where it is told to.
UV = r"""
#include <windows.h>
#include <stdio.h>
#include <string.h>
int main(int count, char **words) {
    char place[1000];
    if (count != 4 || strcmp(words[1], "python") || strcmp(words[2], "install") || strcmp(words[3], "3.12")) return 2;
    snprintf(place, 1000, "%s\\cpython-3.12-windows", getenv("UV_PYTHON_INSTALL_DIR"));
    CreateDirectoryA(getenv("UV_PYTHON_INSTALL_DIR"), 0);
    CreateDirectoryA(place, 0);
    strcat(place, "\\python.exe");
    return !CopyFileA("C:\\fetched\\python.exe", place, FALSE);
}
"""
# No Python is in any of the places that setup.bat looks into; what a test names comes on top.
NOWHERE = (
    "set PATH=C:\\windows\\system32\n"
    "set SystemDrive=C:\\none\nset ProgramFiles=C:\\none\nset APPDATA=C:\\none\nset USERPROFILE=C:\\none\n"
    "set LOCALAPPDATA=C:\\none\n"
)
CALL = 'call "C:\\who\\installer\\setup.bat" plan <nul\necho code %ERRORLEVEL%\n'


@pytest.fixture(scope="module", autouse=True)
def checkout():
    """setup.bat beside a bootstrap.py that tells who runs it."""
    place = DRIVE / "who" / "installer"
    place.mkdir(parents=True, exist_ok=True)
    (place / "setup.bat").write_bytes((ROOT / "installer/setup.bat").read_bytes())
    (place / "bootstrap.py").write_text("import sys\nprint('RUN BY', sys.executable, sys.argv[1:])\nsys.exit(7)\n")
    yield
    shutil.rmtree(DRIVE / "who")


@pytest.fixture
def made():
    """folder, code → a folder on drive C with a python.exe that ends with it."""
    folders = []

    def make(folder: str, source: str, program: str = "python.exe", *flags: str) -> str:
        (DRIVE / folder).mkdir(parents=True, exist_ok=True)
        folders.append(DRIVE / folder)
        compile_program(source, DRIVE / folder / program, "-O0", *flags)
        return "C:\\" + folder.replace("/", "\\")

    yield make
    for folder in folders:
        shutil.rmtree(folder)


@pytest.mark.parametrize(
    ("code", "sentence"),
    [
        (41, "is older than Python 3.8."),
        (42, "is a 32-bit Python"),
        (43, "is the embeddable Python"),
        (9, "does not run."),
        (-1, "does not run."),
    ],
)
def test_what_is_of_no_use_is_named_and_the_next_is_taken(made, code, sentence):
    folder = made("unfit python", STUB.replace("CODE", str(code)))
    said = batch(f"{NOWHERE}set PATH={folder};C:\\Python311;%PATH%\n{CALL}")
    assert f'Passed over: "{folder}\\python.exe" {sentence}' in said
    assert "RUN BY C:\\Python311\\python.exe ['plan']" in said
    assert "code 7" in said


def test_the_stores_stub_is_passed_over_without_being_started(made):
    folder = made("Microsoft/WindowsApps", STUB.replace("CODE", "0"))
    said = batch(f"{NOWHERE}set PATH={folder};C:\\Python311;%PATH%\n{CALL}")
    assert f'Passed over: "{folder}\\python.exe" belongs to the Microsoft Store' in said
    assert "RUN BY C:\\Python311\\python.exe" in said


def test_the_py_launcher_comes_before_path(made):
    folder = made("launcher", FORWARD, "py.exe", "-municode", "-DLAUNCHER=1")
    unfit = made("unfit python", STUB.replace("CODE", "41"))
    said = batch(f"{NOWHERE}set PATH={folder};{unfit};%PATH%\n{CALL}")
    assert "RUN BY C:\\Python311\\python.exe ['plan']" in said
    assert "Passed over" not in said
    assert "code 7" in said


def test_a_python_that_the_caller_names_comes_first(made):
    folder = made("unfit python", STUB.replace("CODE", "42"))
    said = batch(f"{NOWHERE}set PATH={folder};%PATH%\nset DREAMBOOT_PYTHON=C:\\Python311\\python.exe\n{CALL}")
    assert "RUN BY C:\\Python311\\python.exe ['plan']" in said
    assert "Passed over" not in said


def test_the_usual_folders_are_looked_into():
    said = batch(f"{NOWHERE}set SystemDrive=C:\n{CALL}")
    assert "RUN BY C:\\Python311\\python.exe ['plan']" in said


def test_without_any_it_says_what_to_do():
    said = batch(NOWHERE + CALL)
    assert "there is no Python here that dreamboot can use" in said
    assert "https://www.python.org/downloads/windows/" in said
    assert "setup.bat up --yes" in said
    assert "code 1" in said


@pytest.mark.parametrize(
    ("words", "typed", "fetched"), [("up --yes", "", True), ("up", "y", True), ("up", "n", False), ("up", "", False)]
)
def test_one_is_fetched_by_uv_only_with_consent(made, words, typed, fetched):
    tools = made("tools", UV, "uv.exe")
    made("fetched", FORWARD, "python.exe", "-municode", "-DLAUNCHER=0")
    own = DRIVE / "own"
    (own / "dreamboot").mkdir(parents=True)
    (DRIVE / "typed.txt").write_bytes(f"{typed}\r\n".encode())
    settings = f"{NOWHERE}set LOCALAPPDATA=C:\\own\nset PATH=%PATH%;{tools}\n"
    try:
        said = batch(settings + CALL.replace("plan <nul", f"{words} <C:\\typed.txt"))
        assert (own / "dreamboot/python/cpython-3.12-windows/python.exe").is_file() == fetched, said
    finally:
        shutil.rmtree(own)
    assert (f"RUN BY C:\\Python311\\python.exe {words.split()}" in said) == fetched, said
    assert ("there is no Python here" in said) != fetched


def test_without_a_checkout_it_says_so():
    (DRIVE / "who" / "installer" / "bootstrap.py").rename(DRIVE / "who" / "b.py")
    said = batch(CALL)
    (DRIVE / "who" / "b.py").rename(DRIVE / "who" / "installer" / "bootstrap.py")
    assert "bootstrap.py is not beside setup.bat" in said
    assert "code 1" in said


def test_a_onedrive_folder_is_warned_of():
    shutil.copytree(DRIVE / "who", DRIVE / "OneDrive" / "who")
    try:
        said = batch(CALL.replace("C:\\who", "C:\\OneDrive\\who"))
    finally:
        shutil.rmtree(DRIVE / "OneDrive")
    assert "OneDrive folder" in said
    assert "RUN BY" in said
