"""Which Pythons are found, and what is known of them without running them."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Dict, Mapping, Tuple

import pytest

from dreamboot.host import current
from dreamboot.machine.asking import Asking
from dreamboot.machine.pythons.files import parse_bits
from dreamboot.machine.pythons.places import parse_installations, parse_launcher
from dreamboot.machine.pythons.self_report import MARK, SCRIPT, parse_report
from dreamboot.machine.survey import survey
from dreamboot.model import Machine, Python
from support.fake_host import FakeHost

ELF64, ELF32 = b"\x7fELF\x02" + b"\0" * 60, b"\x7fELF\x01" + b"\0" * 60


def pe(machine: int) -> bytes:
    return b"MZ" + b"\0" * 58 + struct.pack("<I", 64) + b"PE\0\0" + struct.pack("<H", machine) + b"\0" * 20


def find(host: FakeHost) -> Machine:
    return survey(host, Path("/home/me/.local/share/dreamboot"), names=["python"], network=False)


def by_path(machine: Machine) -> Dict[str, Python]:
    return {python.path: python for python in machine.pythons}


def report(version: str, *, venv: int = 1, pip: int = 1, bits: int = 64, free: int = 0, name: str = "cpython") -> str:
    return "\t".join([MARK, version, str(bits), str(free), name, str(venv), str(pip), "/x"]) + "\n"


def unix(files: Mapping[str, bytes], programs: Mapping[str, str] = {}, **more: Dict[str, str]) -> FakeHost:
    environ = {"HOME": "/home/me", "PATH": "/home/me/.pyenv/shims:/usr/local/bin:/usr/bin", **more.get("environ", {})}
    return FakeHost(files=files, programs=programs, environ=environ, links=more.get("links"))


def test_version_managers_tell_the_version_by_their_folders() -> None:
    home = "/home/me"
    files = {
        f"{home}/.pyenv/shims/python3": b"#!/bin/sh",
        f"{home}/.pyenv/versions/3.11.7/bin/python3": ELF64,
        f"{home}/.pyenv/versions/3.11.7/lib/python3.11/venv/x": b"",
        f"{home}/.pyenv/versions/3.11.7/lib/python3.11/ensurepip/x": b"",
        f"{home}/.pyenv/versions/3.11.7/lib/python3.11/site-packages/pip/x": b"",
        f"{home}/.pyenv/versions/3.13.0t/bin/python3": ELF64,
        f"{home}/.pyenv/versions/2.7.18/bin/python3": ELF64,
        f"{home}/.local/share/uv/python/cpython-3.14.0+freethreaded-linux-x86_64-gnu/bin/python3": ELF64,
        f"{home}/.local/share/uv/python/cpython-3.12.1-linux-x86-gnu/bin/python3": ELF32,
        f"{home}/.local/share/mise/installs/python/3.10.4/bin/python3": ELF64,
    }
    host = unix(files)
    found = {python.version: python for python in find(host).pythons}
    assert set(found) == {"3.11.7", "3.13.0", "3.14.0", "3.12.1", "3.10.4"}
    assert (found["3.11.7"].kind, found["3.11.7"].has_venv, found["3.11.7"].has_pip) == ("pyenv", True, True)
    assert found["3.13.0"].free_threaded
    assert found["3.14.0"].free_threaded
    assert (found["3.12.1"].bits, found["3.12.1"].kind, found["3.12.1"].has_venv) == (32, "uv", False)
    assert host.ran == []  # nothing had to be started


def test_conda_tells_it_by_its_records() -> None:
    files = {
        "/home/me/miniconda3/conda-meta/python-3.12.4-h99e199e_1.json": b"{}",
        "/home/me/miniconda3/bin/python3": ELF64,
        "/home/me/.conda/environments.txt": b"/home/me/envs/free\n/gone\n",
        "/home/me/envs/free/conda-meta/python-3.13.2-hf623796_101_cp313t.json": b"{}",
        "/home/me/envs/free/bin/python3": ELF64,
    }
    found = {python.version: python for python in find(unix(files)).pythons}
    assert {version: (python.kind, python.free_threaded) for version, python in found.items()} == {
        "3.12.4": ("conda", False),
        "3.13.2": ("conda", True),
    }


def test_headers_tell_it_only_for_their_own_version() -> None:
    files = {
        "/usr/bin/python3.11": ELF64,
        "/usr/bin/python3.12": ELF64,
        "/usr/include/python3.11/patchlevel.h": b'#define PY_VERSION      "3.11.2+"\n',
        "/usr/lib/python3.11/venv/x": b"",
        "/usr/lib/python3/dist-packages/pip/x": b"",
    }
    host = unix(files, {"/usr/bin/python3.12": report("3.12.3", venv=0, pip=0)})
    found = {python.version: python for python in find(host).pythons}
    assert set(found) == {"3.11.2", "3.12.3"}
    # Debian's python3 has venv without python3-venv, but no ensurepip: it can make no usable environment.
    assert (found["3.11.2"].has_venv, found["3.11.2"].has_pip) == (False, True)
    assert (found["3.12.3"].has_venv, found["3.12.3"].kind) == (False, "system")
    assert len(host.ran) == 1


def test_links_to_one_interpreter_are_one() -> None:
    files = {"/usr/bin/python3.11": ELF64}
    links = {"/usr/bin/python3": "/usr/bin/python3.11", "/usr/bin/python": "/usr/bin/python3"}
    host = unix(files, {"/usr/bin/python3.11": report("3.11.2")}, links=links)
    assert [python.path for python in find(host).pythons] == ["/usr/bin/python3.11"]
    assert len(host.ran) == 1


def test_an_active_venv_and_its_base_are_two() -> None:
    files = {
        "/venv/pyvenv.cfg": b"home = /usr/bin\n",
        "/venv/bin/python": ELF64,
        "/usr/bin/python3.11": ELF64,
    }
    programs = {"/usr/bin/python3.11": report("3.11.2"), "/venv/bin/python": report("3.11.2")}
    host = unix(files, programs, environ={"VIRTUAL_ENV": "/venv"})
    assert {python.path: python.kind for python in find(host).pythons} == {
        "/usr/bin/python3.11": "system",
        "/venv/bin/python": "venv",
    }


def test_broken_old_and_hanging_interpreters_are_left_out() -> None:
    files = {"/usr/bin/python3.9": ELF64, "/usr/bin/python3.10": ELF64, "/usr/local/bin/python3": ELF64}
    programs = {"/usr/bin/python3.9": "Segmentation fault", "/usr/local/bin/python3": report("3.13.1")}
    machine = find(unix(files, programs))
    assert [python.version for python in machine.pythons] == ["3.13.1"]
    assert machine.probes[0].failed == ""


def test_python_config_and_other_names_are_no_interpreters() -> None:
    host = unix({"/usr/bin/python3-config": ELF64, "/usr/bin/python2.7": ELF64, "/usr/bin/pythonw": ELF64})
    assert find(host).pythons == ()
    assert host.ran == []


WINDOWS = {
    "USERPROFILE": r"C:\Users\me",
    "LOCALAPPDATA": r"C:\Users\me\AppData\Local",
    "APPDATA": r"C:\Users\me\AppData\Roaming",
    "PATH": r"C:\Users\me\AppData\Local\Microsoft\WindowsApps;C:\Windows\System32",
}
APPS = r"C:\Users\me\AppData\Local\Microsoft\WindowsApps"
REGISTRY = r"""
HKEY_CURRENT_USER\Software\Python\PythonCore\3.11
    DisplayName    REG_SZ    Python 3.11 (64-bit)
    Version    REG_SZ    3.11.9

HKEY_CURRENT_USER\Software\Python\PythonCore\3.11\InstallPath
    (Default)    REG_SZ    C:\Users\me\AppData\Local\Programs\Python\Python311\
    ExecutablePath    REG_SZ    C:\Users\me\AppData\Local\Programs\Python\Python311\python.exe

HKEY_CURRENT_USER\Software\Python\PythonCore\3.9-32\InstallPath
    (Default)    REG_SZ    C:\Python39\

HKEY_CURRENT_USER\Software\Python\ContinuumAnalytics\Anaconda312-64\InstallPath
    ExecutablePath    REG_SZ    C:\Users\me\anaconda3\python.exe
"""


def test_windows_registry_store_and_conda() -> None:
    programs311 = r"C:\Users\me\AppData\Local\Programs\Python\Python311"
    files = {
        rf"{programs311}\python.exe": pe(0x8664),
        rf"{programs311}\include\patchlevel.h": b'#define PY_VERSION "3.11.9"\n',
        rf"{programs311}\Lib\venv\x": b"",
        rf"{programs311}\Lib\ensurepip\x": b"",
        r"C:\Python39\python.exe": pe(0x14C),
        r"C:\Python39\include\patchlevel.h": b'#define PY_VERSION "3.9.13"\n',
        r"C:\Users\me\anaconda3\python.exe": pe(0x8664),
        r"C:\Users\me\anaconda3\conda-meta\python-3.12.4-h1.json": b"",
        rf"{APPS}\python.exe": b"",
    }
    host = FakeHost(
        system="windows", environ=WINDOWS, files=files, programs={r"reg query HKCU\Software\Python": REGISTRY}
    )
    found = {python.version: python for python in find(host).pythons}
    assert {version: (python.bits, python.kind) for version, python in found.items()} == {
        "3.11.9": (64, "system"),
        "3.9.13": (32, "system"),
        "3.12.4": (64, "conda"),
    }
    assert found["3.11.9"].has_venv
    # The Store's placeholder would open the Store: it must not be started.
    assert not [argv for argv in host.ran if argv[0].lower().endswith("python.exe")]


def test_a_real_store_python_is_asked() -> None:
    files = {
        rf"{APPS}\python3.11.exe": b"",
        rf"{APPS}\PythonSoftwareFoundation.Python.3.11_qbz5n2kfra8p0\python.exe": b"",
    }
    host = FakeHost(system="windows", environ=WINDOWS, files=files, programs={"python3.11.exe": report("3.11.9")})
    (python,) = find(host).pythons
    assert (python.kind, python.version) == ("store", "3.11.9")


def test_launcher_lists_of_all_ages() -> None:
    text = (
        " -V:3.13t         C:\\Python313\\python3.13t.exe\n"
        " -V:3.12 *        C:\\Program Files\\Python312\\python.exe\n"
        " -3.8-32          C:\\Py38\\python.exe\nInstalled Pythons found by py Launcher\n"
    )
    assert [path for path, _ in parse_launcher(text)] == [
        "C:\\Python313\\python3.13t.exe",
        "C:\\Program Files\\Python312\\python.exe",
        "C:\\Py38\\python.exe",
    ]


def test_registry_installations() -> None:
    assert parse_installations(REGISTRY) == [
        (r"C:\Users\me\AppData\Local\Programs\Python\Python311\python.exe", ""),
        (r"C:\Python39\python.exe", ""),
        (r"C:\Users\me\anaconda3\python.exe", "conda"),
    ]
    assert parse_installations("ERROR: The system was unable to find the specified registry key or value.") == []


@pytest.mark.parametrize(
    ("head", "bits"),
    [
        (ELF64, 64),
        (ELF32, 32),
        (pe(0x8664), 64),
        (pe(0x14C), 32),
        (pe(0xAA64), 64),
        (b"", 64),
        (b"MZ", 64),
        (b"#!/bin/sh", 64),
    ],
)
def test_bits(head: bytes, bits: int) -> None:
    assert parse_bits(head) == bits


def test_this_interpreter_reports_itself() -> None:
    """The script is run by the real interpreter that runs the tests, and by all others that are found here."""
    import sys

    done = current().run([sys.executable, "-I", "-S", "-c", SCRIPT])
    told = parse_report(done.stdout, sys.executable, "venv")
    assert told is not None
    assert told.version.startswith(".".join(map(str, sys.version_info[:3])))
    assert (told.bits, told.implementation) == (64, sys.implementation.name)


def test_reports_that_are_none() -> None:
    for text in ("", "Python 3.11", "dreamboot-python\t3.11", "\t" * 9):
        assert parse_report(text, "/x", "other") is None


def test_what_files_say_is_what_the_interpreters_say(tmp_path: Path) -> None:
    """On this very machine: every Python that was read from files alone says the same when it is run."""
    from dreamboot.machine.pythons.self_report import ask_python

    machine = survey(current(), tmp_path, names=["python"], network=False)
    assert machine.pythons
    asking = Asking(current(), tmp_path, seconds=60)
    for python in machine.pythons:
        told = ask_python(asking, python.path, python.kind)
        assert told is not None, python.path
        assert _facts(told) == _facts(python), python.path


def _facts(python: Python) -> Tuple[object, ...]:
    return (python.version, python.bits, python.free_threaded, python.implementation, python.has_venv, python.has_pip)
