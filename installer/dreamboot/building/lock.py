"""Plan → pylock.toml (PEP 751) by uv, and the requirements that it is asked for."""

from __future__ import annotations

from pathlib import Path, PurePosixPath
from typing import Iterator, Mapping, Sequence, Tuple
from urllib.parse import unquote, urlsplit

from dreamboot.building.space import full_disk, says_full
from dreamboot.building.target import Target, resolver_words
from dreamboot.host import Host
from dreamboot.host.base import ProgramFailed
from dreamboot.model import DreambootError, Plan, Problem
from dreamboot.values import value


@value
class LockedFile:
    """One wheel of a lock: where it is, its size in bytes (0 where the index tells none) and its sha256.

    `announced`: the size that its server tells on asking; good for totals, not for checks. `file`: its name where the
    URL does not end in it.
    """

    name: str
    version: str
    url: str
    sha256: str
    size: int = 0
    announced: int = 0
    file: str = ""

    @property
    def filename(self) -> str:
        """The wheel's file name."""
        return self.file or unquote(PurePosixPath(urlsplit(self.url).path).name)


def requirement_lines(plan: Plan, extra: Sequence[str] = ()) -> Tuple[str, ...]:
    """What the resolver is asked for. Torch carries its local version, so that no other build can take its place."""
    lines = [f"torch=={plan.torch.local_version}"]
    lines += [f"{name}{version}" for name, version in plan.packages.items() if name != "torch"]
    return (*lines, *extra)


@value
class Resolver:
    """uv as a resolver: the program, its variables, the package sources and the files of constraints."""

    uv: str
    variables: Mapping[str, str]
    sources: Tuple[str, ...] = ()
    constraints: Tuple[Path, ...] = ()
    offline: bool = False


def write_lock(
    host: Host, resolver: Resolver, target: Target, requirements: Path, place: Path, more: Sequence[str] = ()
) -> Iterator[str]:
    """Resolve `requirements` into `place`; yields uv's lines. Raises `DreambootError` when no solution exists.

    Only wheels are taken: a source distribution runs code of its own at install time, and needs compilers that a
    user's machine does not have.
    """
    partial = place.with_name(f"pylock.partial-{place.name.split('.')[1]}.toml")
    command = [
        resolver.uv, "pip", "compile", str(requirements), "--format", "pylock.toml", "--output-file", str(partial),
        *resolver_words(target), "--only-binary", ":all:", "--no-header", "--no-annotate", "--quiet",
        *resolver.sources, *(word for path in resolver.constraints for word in ("--constraint", str(path))),
        *(("--offline",) if resolver.offline else ()), *more,
    ]  # fmt: skip
    host.remove(partial)
    try:
        yield from host.stream(command, env=resolver.variables)
    except ProgramFailed as failed:
        said = " ".join(line.strip() for line in failed.tail if line.strip())
        raise DreambootError(full_disk(said) if says_full(said) else _unresolved(said)) from failed
    host.move(partial, place)


def _unresolved(said: str) -> Problem:
    lower = said.lower()
    unreachable = any(word in lower for word in ("connect", "dns", "timed out", "certificate", "resolve host"))
    login = "401" in said or "403" in said or "authentication" in lower
    hint = "dreamboot plan --explain   (it shows every candidate; --pin takes another)"
    if "network was disabled" in lower:
        hint = "Run the same command once without --offline, or give it a bundle: --offline FOLDER"
    elif login:
        hint = "Give the login in pip's index-url, in ~/.netrc or in the keyring, then run the same command again."
    elif unreachable:
        hint = "dreamboot detect   (it shows the package indexes and whether they answer)"
    return Problem(
        id="index-login" if login else "index-unreachable" if unreachable else "packages-unresolvable",
        what="The packages of the plan could not be resolved.",
        cause=said[-600:] or "uv said nothing",
        hint=hint,
    )


def hashed_requirements(files: Sequence[LockedFile]) -> str:
    """The lock as pip's requirements text: exact versions, each bound to its one sha256."""
    return "".join(f"{file.name}=={file.version} --hash=sha256:{file.sha256}\n" for file in files)
