"""An empty venv, then exactly the lock into it: from the cache, without asking any index."""

from __future__ import annotations

from typing import Iterator, Sequence

from dreamboot.building.fetch import cached, check_cached, fetch, is_local
from dreamboot.building.layout import Layout
from dreamboot.building.lock import LockedFile, hashed_requirements
from dreamboot.building.order import Site
from dreamboot.building.space import full_disk, says_full
from dreamboot.host.base import ProgramFailed
from dreamboot.model import DreambootError, Event, EventKind, Problem


def create_venv(site: Site) -> Iterator[str]:
    """Make the venv anew, empty; the target's Python is a path or a version that uv finds or downloads."""
    python = site.order.target.python_path or site.order.target.python
    venv = str(site.generation.venv)
    # uv refuses to clear what a kill or a full disk left half made.
    site.host.remove(site.generation.venv)
    command = [site.resolver.uv, "venv", "--python", python, "--clear", "--no-project", "--quiet", venv]
    if site.order.offline:
        command.append("--no-python-downloads")
    try:
        yield from site.host.stream(command, env=site.variables)
    except ProgramFailed as failed:
        said = " ".join(failed.tail[-3:]).strip()
        if says_full(said):
            raise DreambootError(full_disk(said)) from failed
        raise DreambootError(
            Problem(
                id="venv-failed",
                what=f"No virtual environment could be made with Python {python}.",
                cause=said,
                hint=_another_python(site.order.target.python, given=bool(site.order.target.python_path)),
            )
        ) from failed


def _another_python(version: str, *, given: bool) -> str:
    if given:
        return "dreamboot plan --explain   (it says which Python was chosen, and why)"
    return (
        f"uv could not download Python {version}. Install Python {version} yourself, or set UV_PYTHON_INSTALL_MIRROR "
        "to a mirror of uv's Pythons; then run the same command again."
    )


def install_locked(site: Site, files: Sequence[LockedFile]) -> Iterator[Event]:
    """Install `files` and nothing else; hard links from uv's cache where the file system has them.

    A venv into which an earlier, killed call was installing is made anew: uv takes a distribution whose folder is
    there for installed, also when half of its files are missing.
    """
    begun = site.generation.path / "installing"
    if site.host.exists(begun):
        yield from _lines(create_venv(site))
    site.host.write_text(begun, "")
    try:
        yield from _lines(_sync(site, files))
    except DreambootError as error:
        if error.problem.id != "install-failed":
            raise
        damaged = [file for file in files if not is_local(file) and not check_cached(site.layout, file)]
        if site.order.again and not damaged:
            raise
        names = ", ".join(file.filename for file in damaged)
        message = (
            f"damaged in the cache, fetched again: {names}" if damaged else f"unpacked anew: {error.problem.cause}"
        )
        yield Event(kind=EventKind.LINE, stage="install", message=message)
        yield from fetch(site.layout, files, site.order.access)
        forget_unpacked(site, files)
        yield from _lines(create_venv(site))
        yield from _lines(_sync(site, files))
    site.host.remove(site.generation.path / "uv-cache")
    site.host.remove(begun)


def forget_unpacked(site: Site, files: Sequence[LockedFile]) -> None:
    """Let uv unpack these anew: what it has of them is damaged. Environments hold links of their own, and keep them."""
    command = [site.resolver.uv, "cache", "clean", "--quiet", *(file.name for file in files)]
    try:
        for _ in site.host.stream(command, env=site.variables):
            pass
    except ProgramFailed:
        return  # then the install says what is wrong


def listing(layout: Layout, files: Sequence[LockedFile]) -> str:
    """`files` as uv reads them, and where they lie.

    Each wheel is offered from its own, lasting place: uv unpacks it once per place, and links it from then on.
    """
    folders = dict.fromkeys(cached(layout, file).parent.as_uri() for file in files)
    return "".join(f"--find-links {folder}\n" for folder in folders) + hashed_requirements(files)


def _sync(site: Site, files: Sequence[LockedFile]) -> Iterator[str]:
    place = site.generation.path / "requirements.locked.txt"
    site.host.write_text(place, listing(site.layout, files))
    python = str(site.generation.python(site.host.system))
    command = [
        site.resolver.uv, "pip", "sync", str(place), "--python", python, "--offline", "--no-index",
        "--require-hashes", "--strict", "--link-mode", "hardlink", "--quiet",
    ]  # fmt: skip
    variables = dict(site.variables)
    if site.order.again:
        # A repair trusts nothing that was unpacked before.
        variables["UV_CACHE_DIR"] = str(site.generation.path / "uv-cache")
    try:
        yield from site.host.stream(command, env=variables)
    except ProgramFailed as failed:
        raise DreambootError(_not_installed(failed)) from failed


def _lines(lines: Iterator[str]) -> Iterator[Event]:
    for line in lines:
        yield Event(kind=EventKind.LINE, stage="install", message=line)


def _not_installed(failed: ProgramFailed) -> Problem:
    said = " ".join(line.strip() for line in failed.tail if line.strip())
    if says_full(said):
        return full_disk(said)
    return Problem(
        id="install-failed",
        what="The locked packages could not be installed.",
        cause=said[-600:],
        hint="Run the same command again; if it fails again: dreamboot doctor",
    )
