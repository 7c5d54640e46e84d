"""Reads pylock.toml (PEP 751), ours or another tool's: the files that one target takes of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Dict, List, Mapping, Tuple

from dreamboot.building.entries import file_name, locked_file, name_of, sha256_of, unreadable, wheels_of
from dreamboot.building.lock import LockedFile
from dreamboot.building.tags import best_wheel
from dreamboot.building.target import Target, marker_environments
from dreamboot.model import DreambootError, Problem
from dreamboot.values import parse_toml


def parse(text: str) -> Dict[str, Any]:
    """A lock as data. Raises `DreambootError` when it is no lock, or of a version that is not known here."""
    try:
        data = parse_toml(text)
    except (ValueError, RecursionError) as error:
        raise unreadable(str(error)) from error
    version = str(data.get("lock-version", ""))
    packages = data.get("packages")
    if version.split(".", maxsplit=1)[0] != "1" or not isinstance(packages, list):
        raise unreadable(f'lock-version is "{version}", or there is no list of packages')
    if not all(isinstance(package, dict) for package in packages):
        raise unreadable("a package of it is no table")
    return data


def locked_files(text: str, target: Target) -> Tuple[LockedFile, ...]:
    """The files of a pylock that `target` takes, one per package that applies there, in the lock's order.

    Raises `DreambootError` when a package has no wheel for this interpreter, a wheel no sha256, or the lock is not
    written as PEP 751 says.
    """
    from packaging.utils import canonicalize_name

    data = parse(text)
    _require_python(str(data.get("requires-python", "")), target)
    supported = target.tags()
    environments = marker_environments(target)
    found: Dict[str, LockedFile] = {}
    for package in data["packages"]:
        if not _applies(package, environments):
            continue
        wheels = wheels_of(package)
        index = best_wheel([file_name(wheel) for wheel in wheels], supported)
        if index < 0:
            raise DreambootError(_no_wheel(package))
        name = str(canonicalize_name(name_of(package)))
        if name in found:
            raise unreadable(f"{name} is named twice for this machine")
        found[name] = locked_file(package, wheels[index])
    return tuple(found.values())


def versions(text: str) -> Dict[str, str]:
    """Name → version of everything that a lock names; empty for a text that is no lock."""
    try:
        return {name_of(package): str(package.get("version", "")) for package in parse(text)["packages"]}
    except DreambootError:
        return {}


def hashes(text: str) -> Tuple[str, ...]:
    """Every sha256 that a lock names; none for a text that is no lock."""
    try:
        wheels: List[Mapping[str, Any]] = [wheel for package in parse(text)["packages"] for wheel in wheels_of(package)]
    except DreambootError:
        return ()
    return tuple(map(sha256_of, wheels))


def with_absolute_paths(text: str, folder: Path) -> str:
    """The lock with its relative `path` entries (those of a bundle) as file URLs below `folder`."""
    import re

    def absolute(found: re.Match[str]) -> str:
        path = Path(found.group(1))
        return f'url = "{(path if path.is_absolute() else folder / path).as_uri()}"'

    return re.sub(r'(?<=[{ ,])path = "([^"\\]+)"', absolute, text)


def _require_python(specifier: str, target: Target) -> None:
    """`requires-python` of a lock must hold for some patch release of the target's Python."""
    from packaging.specifiers import InvalidSpecifier, SpecifierSet

    try:
        allowed = SpecifierSet(specifier)
    except InvalidSpecifier as error:
        raise unreadable(f"requires-python: {error}") from error
    full = [environment["python_full_version"] for environment in marker_environments(target)]
    if not any(allowed.contains(version) for version in full):
        raise DreambootError(
            Problem(
                id="lock-other-python",
                what=f"The lock is for Python {specifier}, and the plan takes {target.python}.",
                cause="Its packages were chosen for another Python.",
                hint="dreamboot build --lock-only -o pylock.toml   (it makes one for this machine)",
            )
        )


def _applies(package: Mapping[str, Any], environments: Tuple[Dict[str, str], ...]) -> bool:
    from packaging.markers import InvalidMarker, Marker, UndefinedComparison, UndefinedEnvironmentName

    text = str(package.get("marker", ""))
    if not text:
        return True
    try:
        marker = Marker(text)
        return any(marker.evaluate(environment) for environment in environments)
    except (InvalidMarker, UndefinedComparison, UndefinedEnvironmentName, KeyError) as error:
        raise unreadable(f"{package.get('name')}: marker {text!r}: {error}") from error


def _no_wheel(package: Mapping[str, Any]) -> Problem:
    return Problem(
        id="no-wheel",
        what=f"{package.get('name')} {package.get('version', '')} has no wheel for this Python and platform.",
        cause="The lock names only: " + ", ".join(file_name(wheel) for wheel in wheels_of(package)),
        hint="dreamboot plan --explain",
    )
