"""Where else a locked file lies: every configured source is asked on its own, and only the same sha256 counts."""

from __future__ import annotations

from dataclasses import replace
from typing import Dict, Sequence

from dreamboot.building import pylock
from dreamboot.building.lock import LockedFile, write_lock
from dreamboot.building.order import Site
from dreamboot.building.sources import single_sources
from dreamboot.model import DreambootError


def elsewhere(site: Site, files: Sequence[LockedFile]) -> Dict[str, LockedFile]:
    """sha256 → the same file at another URL, for those of `files` that another source has."""
    known = {file.url for file in files}
    wanted = {file.sha256 for file in files}
    found: Dict[str, LockedFile] = {}
    for source in single_sources(site.resolver.sources):
        for file in _offered(site, files, source):
            if file.sha256 in wanted and file.url not in known:
                found.setdefault(file.sha256, file)
        if len(found) == len(wanted):
            break
    return found


def _offered(site: Site, files: Sequence[LockedFile], source: Sequence[str]) -> Sequence[LockedFile]:
    """What one source says to exactly these versions; nothing when it has not all of them or does not answer."""
    host, folder = site.host, site.generation.path
    asked, answer = folder / "elsewhere.in", folder / "pylock.elsewhere.toml"
    host.write_text(asked, "".join(f"{file.name}=={file.version}\n" for file in files))
    resolver = replace(site.resolver, sources=tuple(source), constraints=())
    try:
        for _ in write_lock(host, resolver, site.order.target, asked, answer, ("--no-deps",)):
            pass
        return pylock.locked_files(host.read_text(answer) or "", site.order.target)
    except DreambootError:
        return ()
    finally:
        host.remove(asked)
        host.remove(answer)
