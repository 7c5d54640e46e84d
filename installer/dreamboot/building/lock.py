"""Plan → pylock.toml (PEP 751) by uv, and pylock.toml → the files that this machine takes of it."""

from __future__ import annotations

from pathlib import Path, PurePosixPath
from typing import Any, Dict, Iterator, Mapping, Sequence, Tuple
from urllib.parse import unquote, urlsplit

from packaging.tags import Tag

from dreamboot.building.space import full_disk, says_full
from dreamboot.building.tags import best_wheel
from dreamboot.host import Host
from dreamboot.host.base import ProgramFailed
from dreamboot.model import DreambootError, Plan, Problem
from dreamboot.values import parse_toml, value


@value
class LockedFile:
    """One wheel of a lock: where it is, its size in bytes (0 where the index tells none) and its sha256."""

    name: str
    version: str
    url: str
    sha256: str
    size: int = 0

    @property
    def filename(self) -> str:
        """The wheel's file name."""
        return unquote(PurePosixPath(urlsplit(self.url).path).name)


def requirement_lines(plan: Plan, extra: Sequence[str] = ()) -> Tuple[str, ...]:
    """What the resolver is asked for. Torch carries its local version, so that no other build can take its place."""
    lines = [f"torch=={plan.torch.local_version}"]
    lines += [f"{name}{version}" for name, version in plan.packages.items() if name != "torch"]
    return (*lines, *extra)


def write_lock(
    host: Host, *, uv: str, environment: Mapping[str, str], arguments: Sequence[str], python: str,
    requirements: Path, target: Path,
) -> Iterator[str]:  # fmt: skip
    """Resolve `requirements` into `target`; yields uv's lines. Raises `DreambootError` when no solution exists.

    `arguments`: package sources, from `planning.uv_arguments`. Only wheels are taken: a source distribution runs
    code of its own at install time, and needs compilers that a user's machine does not have.
    """
    partial = target.with_name("pylock.partial.toml")
    command = [
        uv, "pip", "compile", str(requirements), "--format", "pylock.toml", "--output-file", str(partial),
        "--python", python, "--only-binary", ":all:", "--no-header", "--no-annotate", "--quiet", *arguments,
    ]  # fmt: skip
    host.remove(partial)
    try:
        yield from host.stream(command, env=environment)
    except ProgramFailed as failed:
        raise DreambootError(_unresolved(failed.tail)) from failed
    host.move(partial, target)


def _unresolved(tail: Sequence[str]) -> Problem:
    said = " ".join(line.strip() for line in tail if line.strip())
    if says_full(said):
        return full_disk(said)
    offline = any(word in said.lower() for word in ("connect", "dns", "timed out", "certificate", "resolve host"))
    return Problem(
        id="index-unreachable" if offline else "packages-unresolvable",
        what="The packages of the plan could not be resolved.",
        cause=said[-600:] or "uv said nothing",
        hint="dreamboot detect   (it shows the package indexes and whether they answer)"
        if offline
        else "dreamboot plan --explain   (it shows every candidate; --pin takes another)",
    )


def locked_files(text: str, supported: Dict[Tag, int]) -> Tuple[LockedFile, ...]:
    """The files of a pylock that fit `supported`, one per package, in the lock's order.

    Raises `DreambootError` when a package has no wheel for this interpreter, or a wheel no sha256.
    """
    data = parse_toml(text)
    found = []
    for package in data.get("packages", ()):
        wheels = package.get("wheels", ())
        index = best_wheel([_file_name(wheel) for wheel in wheels], supported)
        if index < 0:
            raise DreambootError(_no_wheel(package))
        found.append(_locked(package, wheels[index]))
    return tuple(found)


def _file_name(wheel: Mapping[str, Any]) -> str:
    if wheel.get("name"):
        return str(wheel["name"])
    return unquote(PurePosixPath(urlsplit(str(wheel.get("url") or wheel.get("path", ""))).path).name)


def _locked(package: Mapping[str, Any], wheel: Mapping[str, Any]) -> LockedFile:
    url = str(wheel.get("url") or Path(str(wheel.get("path", ""))).as_uri())
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
        sha256=sha256,
        size=int(wheel.get("size", 0)),
    )


def _no_wheel(package: Mapping[str, Any]) -> Problem:
    return Problem(
        id="no-wheel",
        what=f"{package.get('name')} {package.get('version', '')} has no wheel for this Python and platform.",
        cause="The lock names only: " + ", ".join(_file_name(wheel) for wheel in package.get("wheels", ())),
        hint="dreamboot plan --explain",
    )


def hashed_requirements(files: Sequence[LockedFile]) -> str:
    """The lock as pip's requirements text: exact versions, each bound to its one sha256."""
    return "".join(f"{file.name}=={file.version} --hash=sha256:{file.sha256}\n" for file in files)
