"""Unpacks wheels into uv's cache while others still download; the install then only links them."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import List, Sequence, Set

from dreamboot.building.fetch import cached
from dreamboot.building.install import listing
from dreamboot.building.lock import LockedFile
from dreamboot.building.order import Site
from dreamboot.host.base import ProgramFailed

# How often is looked for wheels that have arrived; each look that finds some starts uv once.
POLL_SECONDS = 0.3


class Unpacker:
    """Works beside one build's steps. What fails here is left to the install, which says why.

    uv unpacks only what it installs: into a folder of links that is thrown away. Where the environment lies on another
    disk than uv's cache, links would be copies, which need room and time twice: there the install does it all.
    """

    def __init__(self) -> None:
        self._workers: List[threading.Thread] = []
        self._begun: Set[str] = set()
        self._ended = threading.Event()

    def begin(self, site: Site, files: Sequence[LockedFile]) -> None:
        """Unpack those of `files` that are here or arrive until `end`."""
        new = [file for file in files if file.sha256 not in self._begun]
        if not new or site.host.device_of(site.layout.uv_cache) != site.host.device_of(site.generation.path):
            return
        self._begun.update(file.sha256 for file in new)
        worker = threading.Thread(target=_unpack, args=(site, new, self._ended), name="unpack", daemon=True)
        self._workers.append(worker)
        worker.start()

    def end(self, site: Site) -> None:
        """Wait for what is being unpacked, begin nothing more, and throw the links away."""
        self._ended.set()
        for worker in self._workers:
            worker.join()
        if self._workers:
            site.host.remove(_folder(site))
        self._workers, self._begun, self._ended = [], set(), threading.Event()


def _folder(site: Site) -> Path:
    # The dot says that it goes when a killed build is taken up again.
    return site.generation.path / ".unpacking"


def _unpack(site: Site, files: Sequence[LockedFile], ended: threading.Event) -> None:
    waiting: List[LockedFile] = list(files)
    while waiting:
        here = [file for file in waiting if cached(site.layout, file).exists()]
        waiting = [file for file in waiting if file not in here]
        if (here and not _install(site, here)) or ended.wait(POLL_SECONDS if waiting else 0):
            return


def _install(site: Site, files: Sequence[LockedFile]) -> bool:
    """Let uv unpack these; False when it could not."""
    name = files[0].name
    place = site.generation.path / f".unpacking-{name}.txt"
    site.host.write_text(place, listing(site.layout, files))
    command = [
        site.resolver.uv, "pip", "install", "--requirements", str(place), "--target", str(_folder(site) / name),
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
