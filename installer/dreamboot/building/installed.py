"""Is on disk what the lock says? Read from outside: distributions, versions, and every file of every RECORD."""

from __future__ import annotations

import csv
import os
import zipfile
from pathlib import Path
from typing import Callable, Dict, Iterator, Sequence, Tuple

from dreamboot.building.lock import LockedFile
from dreamboot.model import DreambootError, Problem


def site_packages(venv: Path, system: str) -> Path:
    """The folder that distributions are installed into. Raises `DreambootError` when the venv has none."""
    if system == "windows":
        return venv / "Lib" / "site-packages"
    for folder in sorted((venv / "lib").glob("python3*")):
        return folder / "site-packages"
    raise DreambootError(_differs(f"{venv} holds no Python library folder"))


def check_installed(packages: Path, files: Sequence[LockedFile], wheel_of: Callable[[LockedFile], Path]) -> int:
    """Compare a site-packages folder with the lock; the number of files seen.

    Raises `DreambootError` for a distribution that is missing, of another version or not in the lock, and for a file
    that is missing or of another size than its RECORD and its wheel tell (a disk that lost power writes such files).
    `wheel_of`: where a locked file's wheel lies; it is asked where RECORD is wrong, as in torch 1.12.1's own wheel.
    """
    from packaging.utils import canonicalize_name

    found = dict(_distributions(packages))
    wanted = {str(canonicalize_name(file.name)): file.version for file in files}
    for name, version in wanted.items():
        if name not in found:
            raise DreambootError(_differs(f"{name} {version} is not installed"))
        if not _same_version(found[name][0], version):
            raise DreambootError(_differs(f"{name}: the lock says {version}, installed is {found[name][0]}"))
    unknown = sorted(set(found) - set(wanted))
    if unknown:
        raise DreambootError(_differs("not in the lock: " + ", ".join(unknown)))
    wheels = {str(canonicalize_name(file.name)): wheel_of(file) for file in files}
    return sum(_check_files(packages, found[name][1], name, wheels[name]) for name in wanted)


def _distributions(packages: Path) -> Iterator[Tuple[str, Tuple[str, Path]]]:
    from packaging.utils import canonicalize_name

    for folder in packages.glob("*.dist-info"):
        fields: Dict[str, str] = {}
        try:
            with (folder / "METADATA").open(encoding="utf-8", errors="replace") as lines:
                for line in lines:
                    key, colon, text = line.partition(":")
                    if not colon:
                        break
                    fields.setdefault(key.lower(), text.strip())
        except OSError as error:
            raise DreambootError(_differs(f"{folder.name}: {error.strerror}")) from error
        yield str(canonicalize_name(fields.get("name", folder.name))), (fields.get("version", ""), folder)


def _same_version(one: str, other: str) -> bool:
    from packaging.version import InvalidVersion, Version

    try:
        return Version(one) == Version(other)
    except InvalidVersion:
        return one == other


def _check_files(packages: Path, folder: Path, name: str, wheel: Path) -> int:
    try:
        with (folder / "RECORD").open(encoding="utf-8", newline="") as record:
            rows = [row for row in csv.reader(record) if len(row) == 3]
    except OSError as error:
        raise DreambootError(_differs(f"{name}: RECORD can't be read: {error.strerror}")) from error
    for path, _, size in rows:
        try:
            actual = os.stat(packages / path).st_size  # noqa: PTH116 - tens of thousands of files
        except OSError as error:
            raise DreambootError(_differs(f"{name}: {path}: {error.strerror}")) from error
        if size and int(size) != actual and actual != _size_in(wheel, path):
            raise DreambootError(_differs(f"{name}: {path} has {actual} bytes, its RECORD says {size}"))
    return len(rows)


def _size_in(wheel: Path, path: str) -> int:
    try:
        with zipfile.ZipFile(wheel) as archive:
            return archive.getinfo(path).file_size
    except (OSError, KeyError, zipfile.BadZipFile):
        return -1


def _differs(cause: str) -> Problem:
    return Problem(
        id="environment-differs",
        what="What is installed is not what the lock says.",
        cause=cause,
        hint="dreamboot env repair   (it unpacks every wheel again, into a new generation)",
    )
