"""What files say about an interpreter without running it: names of folders, headers, conda's records."""

from __future__ import annotations

import re
import struct
from pathlib import Path
from typing import Optional, Tuple

from dreamboot.machine.asking import Asking
from dreamboot.machine.pythons.places import join_path
from dreamboot.model import Python

# "3.11.7", "3.13.0t", "cpython-3.13.1+freethreaded-linux-x86_64-gnu", "pypy3.10-7.3.17" (the PyPy version, not 3.10.x).
_FOLDER = r"^(?:cpython-)?(3\.\d+\.\d+(?:(?:a|b|rc)\d+)?)(t|\+freethreaded)?(?=$|[-+])"


def read_python(asking: Asking, path: str, kind: str) -> Optional[Python]:
    """The interpreter at `path` as its files describe it, None when they don't say its full version."""
    prefix, folder = prefix_of(path)
    version, free_threaded, implementation = _version(asking, prefix, folder, re.split(r"[/\\]", path)[-1])
    if not version:
        return None
    library = library_folder(asking, prefix, version, free_threaded=free_threaded)
    return Python(
        path=path,
        version=version,
        bits=bits(asking, path),
        free_threaded=free_threaded,
        implementation=implementation,
        kind=kind or kind_of(asking, path),
        has_venv=_has(asking, library, "venv") and _has(asking, library, "ensurepip"),
        has_pip=_has_pip(asking, library),
    )


def prefix_of(path: str) -> Tuple[str, str]:
    """(installation folder, its name) of the program at `path`: bin/ and Scripts/ are stepped over."""
    folder = re.sub(r"[/\\][^/\\]*$", "", path)
    prefix = re.sub(r"[/\\](bin|Scripts)$", "", folder, flags=re.I)
    return prefix, re.split(r"[/\\]", prefix)[-1]


def kind_of(asking: Asking, path: str) -> str:
    """venv, conda, store, pyenv, uv, system or other, from where it lies."""
    prefix, _ = prefix_of(path)
    lower = path.replace("\\", "/").lower()
    if asking.exists(join_path(asking, prefix, "pyvenv.cfg")):
        return "venv"
    if asking.host.is_dir(Path(join_path(asking, prefix, "conda-meta"))):
        return "conda"
    for mark, kind in (
        ("/windowsapps/", "store"),
        ("/.pyenv/", "pyenv"),
        ("/pyenv-win/", "pyenv"),
        ("/uv/python/", "uv"),
    ):
        if mark in lower:
            return kind
    system = ("/usr/", "/bin/", "/opt/homebrew/", "/library/frameworks/", "c:/program files", "c:/windows/")
    per_user = "/appdata/local/programs/python/"
    return "system" if lower.startswith(system) or per_user in lower or re.match(r"^c:/python3\d+", lower) else "other"


def bits(asking: Asking, path: str) -> int:
    """32 or 64, read from the program's own header (ELF, PE); 64 where the header can't be read."""
    return parse_bits(asking.host.read_bytes(Path(path), 4096) or b"")


def parse_bits(head: bytes) -> int:
    """32 or 64 from the first bytes of an ELF or PE program."""
    if head[:4] == b"\x7fELF" and len(head) > 4:
        return 32 if head[4] == 1 else 64
    if head[:2] == b"MZ" and len(head) >= 64:
        (offset,) = struct.unpack_from("<I", head, 60)
        if offset + 6 <= len(head) and head[offset : offset + 4] == b"PE\0\0":
            # IMAGE_FILE_MACHINE_I386 (Microsoft, PE format).
            return 32 if struct.unpack_from("<H", head, offset + 4)[0] == 0x014C else 64
    return 64


def is_script(asking: Asking, path: str) -> bool:
    """A version manager's shim: it would start a shell and then one of the interpreters that we find anyway."""
    return (asking.host.read_bytes(Path(path), 2) or b"") == b"#!"


def is_store_alias(asking: Asking, path: str) -> bool:
    """An empty file below WindowsApps that opens the Store: running it would pop up a window."""
    if "/windowsapps/" not in path.replace("\\", "/").lower():
        return False
    folder = re.sub(r"[/\\][^/\\]*$", "", path)
    return not any(name.startswith("PythonSoftwareFoundation.Python.3") for name in asking.host.list_dir(Path(folder)))


def library_folder(asking: Asking, prefix: str, version: str, *, free_threaded: bool) -> str:
    """Where the standard library lies."""
    if asking.system == "windows":
        return join_path(asking, prefix, "Lib")
    minor = ".".join(version.split(".")[:2])
    return join_path(asking, prefix, "lib", f"python{minor}{'t' if free_threaded else ''}")


def _has_pip(asking: Asking, library: str) -> bool:
    """Debian keeps the system's pip in lib/python3/dist-packages."""
    debian = join_path(asking, re.sub(r"[/\\][^/\\]*$", "", library), "python3", "dist-packages")
    return _has(asking, join_path(asking, library, "site-packages"), "pip") or _has(asking, debian, "pip")


def _has(asking: Asking, folder: str, name: str) -> bool:
    return asking.host.is_dir(Path(join_path(asking, folder, name)))


def _version(asking: Asking, prefix: str, folder: str, program: str) -> Tuple[str, bool, str]:
    """(version, free-threaded, implementation); version "" when no file tells it."""
    match = re.match(_FOLDER, folder)
    if match:
        return match.group(1), bool(match.group(2)), "cpython"
    for name in asking.host.list_dir(Path(join_path(asking, prefix, "conda-meta"))):
        found = re.match(r"^python-(3\.\d+\.\d+)-(.*)\.json$", name)
        if found:
            # conda's builds of free-threaded Pythons end in "_cp313t".
            implementation = "pypy" if "pypy" in found.group(2) else "cpython"
            return found.group(1), bool(re.search(r"_cp3\d+t", found.group(2))), implementation
    return _header_version(asking, prefix, program)


def _header_version(asking: Asking, prefix: str, program: str) -> Tuple[str, bool, str]:
    """From the C headers, where they are those of this very program: /usr/bin may hold several versions."""
    windows = asking.system == "windows"
    include = join_path(asking, prefix, "include")
    names = [] if windows else [n for n in asking.host.list_dir(Path(include)) if re.match(r"^python3\.\d+t?$", n)]
    numbered = re.search(r"python(3\.\d+t?)$", program)
    if numbered:
        names = [name for name in names if name == f"python{numbered.group(1)}"]
    if asking.exists(join_path(asking, prefix, "pyvenv.cfg")) or (not windows and len(names) != 1):
        return "", False, ""
    header = join_path(asking, include, *names, "patchlevel.h")
    text = (asking.host.read_bytes(Path(header), 8192) or b"").decode("ascii", "replace")
    match = re.search(r'#define\s+PY_VERSION\s+"(3\.\d+\.\d+[^"+]*)', text)
    if match is None:
        return "", False, ""
    if windows:
        return match.group(1), asking.exists(join_path(asking, prefix, "python3t.dll")), "cpython"
    return match.group(1), names[0].endswith("t"), "cpython"
