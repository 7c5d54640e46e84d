"""A path as people give it (an interpreter, an environment's folder, a trainer's folder) → which Python that is."""

# ruff: noqa: E501, PTH110, PTH112, PTH118, PTH119, PTH120 - strings, not Path objects: thousands of files are looked at in a second

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Dict, List, Mapping, Tuple

from dreamboot.doctor.facts import files
from dreamboot.doctor.facts.values import Target
from dreamboot.model import DreambootError, Problem

# Where trainers and user interfaces keep their environment, below their own folder.
INSIDE = ("venv", ".venv", "env", "python_embeded", "python_embedded", "python", "current")
_EXECUTABLES = ("bin/python", "bin/python3", "Scripts/python.exe", "python.exe")


def resolve(path: Path, environ: Mapping[str, str]) -> Target:
    """The Python behind a path. Raises `DreambootError` when there is none."""
    python, prefix = _locate(path)
    settings = _pyvenv(prefix)
    if not settings and not python:
        raise _nothing(path)
    real = os.path.realpath(python) if python else ""
    if settings:
        return _virtual(python, prefix, settings, environ)
    return _plain(python, real, environ)


def _locate(path: Path) -> Tuple[str, str]:
    """(interpreter, prefix); the interpreter is "" where a virtual environment lost it."""
    path = Path(os.path.abspath(path.expanduser()))  # noqa: PTH100 - a link to python must not be followed
    if path.is_dir():
        for folder in (path, *(path / name for name in INSIDE)):
            for name in _EXECUTABLES:
                if os.path.lexists(folder / name):
                    return str(folder / name), str(folder)
            if (folder / "pyvenv.cfg").is_file():
                return "", str(folder)
        raise _nothing(path)
    if not os.path.lexists(path):
        # a broken environment may have lost its interpreter, and is just what is to be examined
        for parent in list(path.parents)[:2]:
            if (parent / "pyvenv.cfg").is_file():
                return str(path), str(parent)
        raise _nothing(path)
    folder = path.parent
    return str(path), str(folder.parent if folder.name.lower() in ("bin", "scripts") else folder)


def _nothing(path: Path) -> DreambootError:
    return DreambootError(
        Problem(
            id="no-python",
            what=f"There is no Python at {path}.",
            cause="Expected an interpreter, an environment's folder, or a folder that holds one (venv, .venv, python_embeded).",
            hint="dreamboot doctor --python PATH/TO/venv/bin/python   (on Windows PATH\\TO\\venv\\Scripts\\python.exe)",
        )
    )


def _pyvenv(prefix: str) -> Dict[str, str]:
    found = {}
    for line in files.text(os.path.join(prefix, "pyvenv.cfg")).splitlines():
        key, mark, content = line.partition("=")
        if mark:
            found[key.strip().lower()] = content.strip()
    return found


def _virtual(python: str, prefix: str, settings: Mapping[str, str], environ: Mapping[str, str]) -> Target:
    own = _site_folders(prefix)
    version = settings.get("version_info") or settings.get("version") or _version_of(own)
    version = ".".join(version.split(".")[:3])
    shared = settings.get("include-system-site-packages", "false").lower() == "true"
    home = settings.get("home", "")
    base = settings.get("executable") or settings.get("base-executable") or home
    user = _user_site(version, environ) if shared else ""
    outer = _site_folders(os.path.dirname(home)) if shared and home else ()
    missing = bool(home) and not os.path.exists(home)
    return Target(
        python=python or os.path.join(prefix, "bin", "python"),
        prefix=prefix,
        kind="uv-venv" if "uv" in settings else "venv",
        version=version,
        site=tuple(dict.fromkeys((*own, *((user,) if user else ()), *outer))),
        own_site=own,
        user_site=user,
        system_site=shared,
        base=base,
        base_missing=missing or not os.path.exists(python),
        made_by_uv="uv" in settings,
        exists=os.path.exists(python),
    )


def _plain(python: str, real: str, environ: Mapping[str, str]) -> Target:
    folder = os.path.dirname(real)
    prefix = os.path.dirname(folder) if os.path.basename(folder).lower() in ("bin", "scripts") else folder
    own = _site_folders(prefix)
    named = re.search(r"python(3\.\d+)", os.path.basename(real))
    if named:
        own = tuple(path for path in own if f"python{named.group(1)}" in path or "python3/" in path + "/") or own
    version = _conda_version(prefix) or _header_version(prefix, named.group(1) if named else "") or _version_of(own)
    kind = _kind(prefix, real)
    user = "" if kind == "portable" else _user_site(version, environ)
    return Target(
        python=python,
        prefix=prefix,
        kind=kind,
        version=version or (named.group(1) if named else ""),
        site=tuple(path for path in ((user,) if user and os.path.isdir(user) else ()) + own if path),
        own_site=own,
        user_site=user,
        base=real,
        externally_managed=_externally_managed(prefix, version),
    )


def _kind(prefix: str, real: str) -> str:
    if os.path.isdir(os.path.join(prefix, "conda-meta")):
        return "conda"
    if "WindowsApps" in real or "PythonSoftwareFoundation" in real:
        return "store"
    if any(name.endswith("._pth") for name in files.names(prefix)):
        return "portable"
    return "system"


def _site_folders(prefix: str) -> Tuple[str, ...]:
    """Folders for packages below a prefix, on every system; those of a Debian too."""
    found: List[str] = []
    for lib in ("lib", "lib64", os.path.join("local", "lib")):
        base = os.path.join(prefix, lib)
        for name in files.names(base):
            if re.fullmatch(r"python3(\.\d+)?t?", name):
                found += [os.path.join(base, name, kind) for kind in ("site-packages", "dist-packages")]
    found.append(os.path.join(prefix, "Lib", "site-packages"))
    kept: Dict[str, str] = {}
    for path in found:
        if os.path.isdir(path):
            kept.setdefault(os.path.realpath(path), path)
    return tuple(kept.values())


def _version_of(site: Tuple[str, ...]) -> str:
    for path in site:
        found = re.search(r"python(3\.\d+)", path)
        if found:
            return found.group(1)
    return ""


def _conda_version(prefix: str) -> str:
    for name in files.names(os.path.join(prefix, "conda-meta")):
        found = re.match(r"python-(3\.\d+\.\d+)-", name)
        if found:
            return found.group(1)
    return ""


def _header_version(prefix: str, minor: str) -> str:
    """From patchlevel.h, which comes with most Pythons, or the name of the library on Windows."""
    for name in files.names(os.path.join(prefix, "include")):
        if name.startswith(f"python{minor}"):
            found = re.search(
                r'PY_VERSION\s+"([\d.]+)', files.text(os.path.join(prefix, "include", name, "patchlevel.h"))
            )
            if found:
                return found.group(1)
    for name in files.names(prefix):
        found = re.fullmatch(r"python(3)(\d+)\.dll", name)
        if found:
            return f"3.{found.group(2)}"
    return minor


def _user_site(version: str, environ: Mapping[str, str]) -> str:
    """Where `pip install --user` puts packages for this version; "" when it is switched off."""
    minor = ".".join(version.split(".")[:2])
    if environ.get("PYTHONNOUSERSITE") or not minor:
        return ""
    if environ.get("APPDATA"):
        return os.path.join(environ["APPDATA"], "Python", f"Python{minor.replace('.', '')}", "site-packages")
    base = environ.get("PYTHONUSERBASE") or os.path.join(environ.get("HOME", ""), ".local")
    return os.path.join(base, "lib", f"python{minor}", "site-packages")


def _externally_managed(prefix: str, version: str) -> bool:
    minor = ".".join(version.split(".")[:2])
    return any(
        os.path.exists(os.path.join(prefix, lib, "EXTERNALLY-MANAGED"))
        for lib in (f"lib/python{minor}", "Lib", "lib/python3")
    )
