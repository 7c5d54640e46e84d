"""Unpacks wheels into uv's cache while others still download; the install then only links them."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from pathlib import Path
from typing import Iterator, List, Sequence

from dreamboot.building.fetch import cached
from dreamboot.building.install import listing
from dreamboot.building.lock import LockedFile
from dreamboot.building.order import Site
from dreamboot.host.base import ProgramFailed

# How often is looked for wheels that have arrived; each look that finds some starts uv once.
POLL_SECONDS = 0.3


@contextmanager
def unpacking(site: Site, files: Sequence[LockedFile]) -> Iterator[None]:
    """Inside, those of `files` that are here or arrive are unpacked beside. What fails is left to the install.

    uv unpacks only what it installs: into a folder of links that is thrown away. Where the environment lies on another
    disk than uv's cache, links would be copies, which need room and time twice: there the install does it all.
    """
    if site.host.device_of(site.layout.uv_cache) != site.host.device_of(site.generation.path):
        yield
        return
    # The dot says that it goes when a killed build is taken up again.
    folder = site.generation.path / ".unpacking"
    ended = threading.Event()
    worker = threading.Thread(target=_unpack, args=(site, files, folder, ended), name="unpack", daemon=True)
    worker.start()
    try:
        yield
    finally:
        ended.set()
        worker.join()
        site.host.remove(folder)


def _unpack(site: Site, files: Sequence[LockedFile], folder: Path, ended: threading.Event) -> None:
    waiting: List[LockedFile] = list(files)
    while waiting and not ended.wait(POLL_SECONDS):
        here = [file for file in waiting if cached(site.layout, file).exists()]
        waiting = [file for file in waiting if file not in here]
        if here and not _install(site, here, folder):
            return


def _install(site: Site, files: Sequence[LockedFile], folder: Path) -> bool:
    """Let uv unpack these; False when it could not."""
    place = site.generation.path / ".unpacking.txt"
    site.host.write_text(place, listing(site.layout, files))
    command = [
        site.resolver.uv, "pip", "install", "--requirements", str(place), "--target", str(folder / files[0].name),
        "--python", site.order.target.python_path or site.order.target.python, "--no-python-downloads", "--no-deps",
        "--offline", "--no-index", "--require-hashes", "--link-mode", "hardlink", "--quiet",
    ]  # fmt: skip
    try:
        for _ in site.host.stream(command, env=site.variables):
            pass
    except (ProgramFailed, OSError):
        return False
    finally:
        site.host.remove(place)
    return True
