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
        self._all_here = threading.Event()
        self._ended = threading.Event()

    def begin(self, site: Site, files: Sequence[LockedFile]) -> None:
        """Unpack those of `files` that are here or arrive until `end`."""
        new = [file for file in files if file.sha256 not in self._begun]
        if not new or site.host.device_of(site.layout.uv_cache) != site.host.device_of(site.generation.path):
            return
        self._begun.update(file.sha256 for file in new)
        worker = threading.Thread(target=self._unpack, args=(site, new), name="unpack", daemon=True)
        self._workers.append(worker)
        worker.start()

    def finish(self, site: Site) -> None:
        """All have arrived. While a large one is still being unpacked, so are the rest; then throw the links away."""
        self._all_here.set()
        self._join()
        # Tens of thousands of links: beside the install, too.
        remover = threading.Thread(target=site.host.remove, args=(_folder(site),), name="remove links", daemon=True)
        self._workers = [remover]
        remover.start()

    def end(self, site: Site) -> None:
        """Wait for what is being unpacked, begin nothing more, and throw the links away."""
        self._ended.set()
        self._all_here.set()
        self._join()
        site.host.remove(_folder(site))

    def _join(self) -> None:
        for worker in self._workers:
            worker.join()
        self._workers, self._begun = [], set()
        self._all_here.clear()
        self._ended.clear()

    def _unpack(self, site: Site, files: Sequence[LockedFile]) -> None:
        waiting: List[LockedFile] = list(files)
        while waiting and not self._ended.is_set():
            last = self._all_here.is_set()
            here = [file for file in waiting if cached(site.layout, file).exists()]
            waiting = [file for file in waiting if file not in here]
            if last and not self._others_work():
                return  # alone, the install does it as well
            if (here and not _install(site, here)) or last:
                return
            self._all_here.wait(POLL_SECONDS)

    def _others_work(self) -> bool:
        own = threading.current_thread()
        return any(worker.is_alive() for worker in self._workers if worker is not own)


def _folder(site: Site) -> Path:
    # The dot says that it goes when a killed build is taken up again.
    return site.generation.path / ".unpacking"


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
