"""Where interpreters may lie: PATH, version managers, conda, the Windows registry and launcher."""

from __future__ import annotations

import re
import sys
from functools import partial
from pathlib import Path
from typing import Iterator, List, Tuple

from dreamboot.machine.asking import Asking
from dreamboot.machine.registry import parse_registry, query

# "python", "python3", "python3.13t", "pypy3.10"; not "python3-config" and not "python2".
_PROGRAM = r"^(python|pypy)(3(\.\d+)?t?)?(\.exe)?$"
_CONDA_ROOTS = ("miniconda3", "miniforge3", "mambaforge", "anaconda3", "miniconda", "anaconda")

Found = Tuple[str, str]
"""(path of the program, kind or "" when the path has to tell)."""


def candidates(asking: Asking) -> List[Found]:
    """Every program that may be an interpreter, PATH first; the same one may come twice."""
    places = [_path(asking), _managers(asking), _conda(asking), _own(asking)]
    if asking.system == "windows":
        places += [_registry(asking), _launcher(asking)]
    return [found for place in places for found in place]


def join_path(asking: Asking, *parts: str) -> str:
    """A path in the machine's own spelling (a stated Windows machine is also read on Linux)."""
    separator = "\\" if asking.system == "windows" else "/"
    return separator.join([parts[0].rstrip("/\\"), *parts[1:]])


def user_folder(asking: Asking) -> str:
    """The user's own folder."""
    return asking.environ.get("USERPROFILE" if asking.system == "windows" else "HOME") or "~"


def interpreter(asking: Asking, prefix: str) -> str:
    """The interpreter of an installation."""
    if asking.system == "windows":
        return join_path(asking, prefix, "python.exe")
    return join_path(asking, prefix, "bin", "python3")


def _path(asking: Asking) -> Iterator[Found]:
    separator = ";" if asking.system == "windows" else ":"
    for folder in dict.fromkeys(asking.environ.get("PATH", "").split(separator)):
        if folder:
            for name in asking.host.list_dir(Path(folder)):
                if re.match(_PROGRAM, name):
                    yield join_path(asking, folder, name), ""


def _managers(asking: Asking) -> Iterator[Found]:
    """pyenv, uv, asdf and mise keep one folder per version."""
    environ, user = asking.environ, user_folder(asking)
    windows = asking.system == "windows"
    data = environ.get("XDG_DATA_HOME") or join_path(asking, user, ".local", "share")
    pyenv = environ.get("PYENV_ROOT") or join_path(asking, user, ".pyenv", *(["pyenv-win"] if windows else []))
    uv_home = environ.get("APPDATA", "") if windows else data
    folders = (
        (environ.get("PYENV") and join_path(asking, environ["PYENV"], "versions"), "pyenv"),
        (join_path(asking, pyenv, "versions"), "pyenv"),
        (environ.get("UV_PYTHON_INSTALL_DIR") or (uv_home and join_path(asking, uv_home, "uv", "python")), "uv"),
        (join_path(asking, user, ".asdf", "installs", "python"), "other"),
        (join_path(asking, data, "mise", "installs", "python"), "other"),
    )
    for folder, kind in folders:
        for name in asking.names(folder) if folder else ():
            prefix = join_path(asking, folder or "", name)
            if not name.startswith("2."):
                yield interpreter(asking, prefix), kind


def _conda(asking: Asking) -> Iterator[Found]:
    environ, user = asking.environ, user_folder(asking)
    prefixes = [environ.get("CONDA_PREFIX", ""), environ.get("CONDA_ROOT", ""), environ.get("MAMBA_ROOT_PREFIX", "")]
    program = environ.get("CONDA_EXE", "")
    if program:
        prefixes.append(re.sub(r"[/\\](bin|Scripts|condabin)[/\\][^/\\]+$", "", program))
    prefixes += [join_path(asking, user, root) for root in _CONDA_ROOTS] + ["/opt/conda"]
    listed = asking.read(join_path(asking, user, ".conda", "environments.txt")) or ""
    prefixes += [line.strip() for line in listed.splitlines()]
    for prefix in dict.fromkeys(filter(None, prefixes)):
        if asking.host.is_dir(Path(join_path(asking, prefix, "conda-meta"))):
            yield interpreter(asking, prefix), "conda"


def _own(asking: Asking) -> Iterator[Found]:
    """The interpreter below the one that runs us: on a bare machine it is the only one that surely works."""
    own = getattr(sys, "_base_executable", None) or sys.executable
    if own and asking.exists(own):
        yield own, ""
    active = asking.environ.get("VIRTUAL_ENV")
    if active:
        folder = ("Scripts", "python.exe") if asking.system == "windows" else ("bin", "python")
        yield join_path(asking, active, *folder), "venv"


def _registry(asking: Asking) -> Iterator[Found]:
    """PEP 514: every installer writes its interpreters below Software\\Python."""
    keys = (r"HKCU\Software\Python", r"HKLM\Software\Python", r"HKLM\Software\WOW6432Node\Python")
    for text in asking.together([partial(query, asking, key, "/s") for key in keys]):
        yield from parse_installations(text or "")


def parse_installations(text: str) -> List[Found]:
    """`reg query …\\Software\\Python /s` → interpreters."""
    found = []
    for key, values in parse_registry(text).items():
        if key.lower().endswith("\\installpath"):
            path = values.get("ExecutablePath") or (values[""].rstrip("\\") + "\\python.exe" if values.get("") else "")
            if path:
                kind = "conda" if "\\continuumanalytics\\" in key.lower() else ""
                found.append((path, kind))
    return found


def _launcher(asking: Asking) -> Iterator[Found]:
    if asking.host.which("py"):
        yield from parse_launcher(asking.run("py", "-0p", timeout=3.0).stdout)


def parse_launcher(text: str) -> List[Found]:
    """`py -0p` → interpreters: " -V:3.11 *   C:\\…\\python.exe", " -3.11-64   C:\\…" in older launchers."""
    paths = [re.search(r"([A-Za-z]:\\.*?python[\w.]*\.exe)\s*$", line) for line in text.splitlines()]
    return [(match.group(1), "") for match in paths if match]
