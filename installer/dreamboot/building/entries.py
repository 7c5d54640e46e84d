"""One package of a lock, checked before it is believed: a lock may come from a stranger.

Its words become folder names in the cache, lines of a requirements file and addresses that are asked; so each must be
exactly what PEP 751 says that it is. Everything else is refused, with the reason.
"""

from __future__ import annotations

import re
from pathlib import Path, PurePosixPath
from typing import Any, Mapping, Tuple
from urllib.parse import unquote, urlsplit

from dreamboot.building.lock import LockedFile
from dreamboot.model import DreambootError, Problem

_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?")
_FILE = re.compile(r"\w[\w.+!-]*\.whl")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_SCHEMES = ("https", "http", "file")


def unreadable(why: str) -> DreambootError:
    """The lock can't be read, and why."""
    return DreambootError(
        Problem(
            id="lock-unreadable",
            what="The lock can't be read.",
            cause=why,
            hint="dreamboot build --lock-only -o pylock.toml   (it makes a new one)",
        )
    )


def name_of(package: Mapping[str, Any]) -> str:
    """The distribution's name."""
    name = package.get("name")
    if not isinstance(name, str) or _NAME.fullmatch(name) is None:
        raise unreadable(f"{name!r} is no name of a package")
    return name


def wheels_of(package: Mapping[str, Any]) -> Tuple[Mapping[str, Any], ...]:
    """Its wheels, each with fields of the right kinds."""
    wheels = package.get("wheels", ())
    shaped = isinstance(wheels, (list, tuple)) and all(
        isinstance(wheel, dict)
        and isinstance(wheel.get("hashes", {}), dict)
        and all(isinstance(wheel.get(key, ""), str) for key in ("name", "url", "path"))
        for wheel in wheels
    )
    if not shaped:
        raise unreadable(f"{package.get('name')}: the wheels are not written as PEP 751 says")
    return tuple(wheels)


def file_name(wheel: Mapping[str, Any]) -> str:
    """As the lock names it, else as its address ends."""
    return str(wheel.get("name") or unquote(PurePosixPath(urlsplit(_address(wheel)).path).name))


def sha256_of(wheel: Mapping[str, Any]) -> str:
    """In lower case; "" where the lock has none."""
    return str(wheel.get("hashes", {}).get("sha256", "")).lower()


def locked_file(package: Mapping[str, Any], wheel: Mapping[str, Any]) -> LockedFile:
    """The file to fetch. Raises `DreambootError` for anything that is not plainly that package's wheel."""
    name, version, file = name_of(package), str(package.get("version", "")), file_name(wheel)
    _require_same(name, version, file)
    size = wheel.get("size", 0)
    if not isinstance(size, int) or size < 0:
        raise unreadable(f"{name}: {size!r} is no size in bytes")
    sha256 = sha256_of(wheel)
    if not sha256:
        raise DreambootError(_no_hash(name, version, _address(wheel)))
    if _SHA256.fullmatch(sha256) is None:
        raise unreadable(f"{name}: {sha256[:80]!r} is no sha256")
    return LockedFile(
        name=name, version=version, url=_checked(name, _address(wheel)), sha256=sha256, size=size, file=file
    )


def _address(wheel: Mapping[str, Any]) -> str:
    return str(wheel.get("url") or Path(str(wheel.get("path", ""))).absolute().as_uri())


def _checked(name: str, url: str) -> str:
    try:
        parts = urlsplit(url)
        host = parts.hostname
    except ValueError as error:
        raise unreadable(f"{name}: the address of its file is none: {error}") from error
    if parts.scheme not in _SCHEMES or (parts.scheme != "file" and not host):
        raise unreadable(
            f"{name}: files come from {', '.join(_SCHEMES)} addresses, not from {parts.scheme or 'none'!r}"
        )
    if "@" in parts.netloc:
        raise DreambootError(
            Problem(
                id="lock-with-login",
                what=f"The lock holds a login, in the address of {name}.",
                cause="A lock is shown and copied; what is written into it is no secret any more.",
                hint=f"Take it out, and give it in ~/.netrc: machine {host} login USER password PASSWORD",
            )
        )
    return url


def _require_same(name: str, version: str, file: str) -> None:
    """The file's own name must be this package and version, and nothing but a file's name."""
    from packaging.utils import InvalidWheelFilename, canonicalize_name, parse_wheel_filename
    from packaging.version import InvalidVersion, Version

    try:
        found, its_version, _, _ = parse_wheel_filename(file)
        same = found == canonicalize_name(name) and its_version == Version(version)
    except (InvalidWheelFilename, InvalidVersion) as error:
        raise unreadable(f"{name}: {error}") from error
    if not same or _FILE.fullmatch(file) is None:
        raise unreadable(f"{name} {version}: its file is named {file!r}")


def _no_hash(name: str, version: str, url: str) -> Problem:
    return Problem(
        id="lock-without-hash",
        what=f"The lock has no sha256 for {name} {version}.",
        cause=f"The index that serves {urlsplit(url).hostname or 'it'} publishes none.",
        hint="Use an index that publishes sha256 hashes, or a find-links folder.",
    )
