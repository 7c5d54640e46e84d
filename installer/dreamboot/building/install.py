"""An empty venv, then exactly the lock into it: from the cache, without asking any index."""

from __future__ import annotations

from typing import Iterator, Mapping, Sequence

from dreamboot.building.fetch import cached, is_local
from dreamboot.building.layout import GenerationLayout, Layout
from dreamboot.building.lock import LockedFile, hashed_requirements
from dreamboot.building.space import full_disk, says_full
from dreamboot.host import Host
from dreamboot.host.base import ProgramFailed
from dreamboot.model import DreambootError, Problem


def create_venv(
    host: Host, *, uv: str, environment: Mapping[str, str], python: str, generation: GenerationLayout, offline: bool
) -> Iterator[str]:
    """Make the empty venv; `python` is a path or a version that uv finds or downloads."""
    command = [uv, "venv", "--python", python, "--clear", "--no-project", "--quiet", str(generation.venv)]
    if offline:
        command.append("--no-python-downloads")
    try:
        yield from host.stream(command, env=environment)
    except ProgramFailed as failed:
        raise DreambootError(
            Problem(
                id="venv-failed",
                what=f"No virtual environment could be made with Python {python}.",
                cause=" ".join(failed.tail[-3:]).strip(),
                hint="dreamboot plan --explain   (it says which Python was chosen, and why)",
            )
        ) from failed


def install_locked(
    host: Host, *, uv: str, environment: Mapping[str, str], layout: Layout, generation: GenerationLayout,
    files: Sequence[LockedFile],
) -> Iterator[str]:  # fmt: skip
    """Install `files` and nothing else; hard links from uv's cache where the file system has them."""
    stage_wheels(host, layout, generation, files)
    listing = generation.path / "requirements.locked.txt"
    host.write_text(listing, hashed_requirements(files))
    # Local wheels are installed from where they lie, as the resolver saw them: uv has unpacked them by that path.
    folders = dict.fromkeys(str(cached(layout, file).parent) for file in files if is_local(file))
    command = [
        uv, "pip", "sync", str(listing), "--python", str(generation.python(host.system)), "--offline", "--no-index",
        "--find-links", str(generation.stage), "--require-hashes", "--strict", "--link-mode", "hardlink", "--quiet",
        *(word for folder in folders for word in ("--find-links", folder)),
    ]  # fmt: skip
    try:
        yield from host.stream(command, env=environment)
    except ProgramFailed as failed:
        raise DreambootError(_not_installed(failed)) from failed
    host.remove(generation.stage)


def stage_wheels(host: Host, layout: Layout, generation: GenerationLayout, files: Sequence[LockedFile]) -> None:
    """One flat folder with all wheels under their own names, as uv reads it; links where possible, else copies."""
    host.make_dir(generation.stage)
    for file in files:
        if is_local(file):
            continue
        place = generation.stage / file.filename
        if not host.exists(place):
            host.link(cached(layout, file), place)


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
