"""Reads pylock.toml (PEP 751), ours or another tool's: the files that one target takes of it."""

from __future__ import annotations

from pathlib import Path, PurePosixPath
from typing import Any, Dict, List, Mapping, Tuple
from urllib.parse import unquote, urlsplit

from dreamboot.building.lock import LockedFile
from dreamboot.building.tags import best_wheel
from dreamboot.building.target import Target, marker_environments
from dreamboot.model import DreambootError, Problem
from dreamboot.values import parse_toml


def parse(text: str) -> Dict[str, Any]:
    """A lock as data. Raises `DreambootError` when it is no lock, or of a version that is not known here."""
    try:
        data = parse_toml(text)
    except ValueError as error:
        raise DreambootError(_unreadable(str(error))) from error
    version = str(data.get("lock-version", ""))
    if version.split(".", maxsplit=1)[0] != "1" or not isinstance(data.get("packages"), list):
        raise DreambootError(_unreadable(f'lock-version is "{version}", or there is no list of packages'))
    return data


def locked_files(text: str, target: Target) -> Tuple[LockedFile, ...]:
    """The files of a pylock that `target` takes, one per package that applies there, in the lock's order.

    Raises `DreambootError` when a package has no wheel for this interpreter, or a wheel no sha256.
    """
    supported = target.tags()
    environments = marker_environments(target)
    found = []
    for package in parse(text)["packages"]:
        if not _applies(package, environments):
            continue
        wheels = package.get("wheels", ())
        index = best_wheel([_file_name(wheel) for wheel in wheels], supported)
        if index < 0:
            raise DreambootError(_no_wheel(package))
        found.append(_locked(package, wheels[index]))
    return tuple(found)


def versions(text: str) -> Dict[str, str]:
    """Name → version of everything that a lock names; empty for a text that is no lock."""
    try:
        return {str(package["name"]): str(package.get("version", "")) for package in parse(text)["packages"]}
    except (DreambootError, KeyError, TypeError):
        return {}


def hashes(text: str) -> Tuple[str, ...]:
    """Every sha256 that a lock names; none for a text that is no lock."""
    try:
        packages = parse(text)["packages"]
    except DreambootError:
        return ()
    wheels: List[Mapping[str, Any]] = [wheel for package in packages for wheel in package.get("wheels", ())]
    return tuple(str(wheel.get("hashes", {}).get("sha256", "")) for wheel in wheels)


def with_absolute_paths(text: str, folder: Path) -> str:
    """The lock with its relative `path` entries (those of a bundle) as file URLs below `folder`."""
    import re

    def absolute(found: re.Match[str]) -> str:
        path = Path(found.group(1))
        return f'url = "{(path if path.is_absolute() else folder / path).as_uri()}"'

    return re.sub(r'(?<=[{ ,])path = "([^"\\]+)"', absolute, text)


def _applies(package: Mapping[str, Any], environments: Tuple[Dict[str, str], ...]) -> bool:
    from packaging.markers import InvalidMarker, Marker

    text = str(package.get("marker", ""))
    if not text:
        return True
    try:
        marker = Marker(text)
        return any(marker.evaluate(environment) for environment in environments)
    except (InvalidMarker, KeyError) as error:
        raise DreambootError(_unreadable(f"{package.get('name')}: marker {text!r}: {error}")) from error


def _file_name(wheel: Mapping[str, Any]) -> str:
    if wheel.get("name"):
        return str(wheel["name"])
    return unquote(PurePosixPath(urlsplit(str(wheel.get("url") or wheel.get("path", ""))).path).name)


def _locked(package: Mapping[str, Any], wheel: Mapping[str, Any]) -> LockedFile:
    url = str(wheel.get("url") or Path(str(wheel.get("path", ""))).absolute().as_uri())
    sha256 = str(wheel.get("hashes", {}).get("sha256", ""))
    if not sha256:
        raise DreambootError(
            Problem(
                id="lock-without-hash",
                what=f"The lock has no sha256 for {package['name']} {package.get('version', '')}.",
                cause=f"The index that serves {url} publishes none.",
                hint="Use an index that publishes sha256 hashes, or a find-links folder.",
            )
        )
    return LockedFile(
        name=str(package["name"]),
        version=str(package.get("version", "")),
        url=url,
        sha256=sha256.lower(),
        size=int(wheel.get("size", 0)),
    )


def _unreadable(why: str) -> Problem:
    return Problem(
        id="lock-unreadable",
        what="The lock can't be read.",
        cause=why,
        hint="dreamboot build --lock-only -o pylock.toml   (it makes a new one)",
    )


def _no_wheel(package: Mapping[str, Any]) -> Problem:
    return Problem(
        id="no-wheel",
        what=f"{package.get('name')} {package.get('version', '')} has no wheel for this Python and platform.",
        cause="The lock names only: " + ", ".join(_file_name(wheel) for wheel in package.get("wheels", ())),
        hint="dreamboot plan --explain",
    )
