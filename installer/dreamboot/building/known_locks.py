"""Locks that were made on this machine a short time ago: the same question is not resolved twice within a day."""

from __future__ import annotations

import contextlib
import hashlib
import json
import time
from pathlib import Path
from typing import Any, Dict, List, Optional, Sequence, Tuple

from dreamboot.building import pylock
from dreamboot.building.download import local_path
from dreamboot.building.layout import Layout
from dreamboot.building.order import Site
from dreamboot.host import Host
from dreamboot.model import DreambootError
from dreamboot.values import canonical, value

# How long an answer of the package indexes holds. A new environment of the same plan gets the versions of the first
# one, unless a day lies between. A lock that is asked for (`build --lock-only`) is always resolved anew.
SECONDS = 24 * 3600.0


@value
class KnownLock:
    """A lock's text and how many seconds ago it was made."""

    text: str
    age: float


def find(site: Site) -> Optional[KnownLock]:
    """The lock for exactly these requirements, constraints, sources and this target; None when it must be resolved.

    Only believed while every wheel of a local folder lies there as it lay then. Without the network it holds for any
    time: nobody could say anything newer. Every file is checked by its sha256 later, as with a fresh lock.
    """
    try:
        entry = json.loads(site.host.read_text(_place(site)) or "{}")
        text, age = str(entry["lock"]), time.time() - float(entry["time"])
        if (not 0 <= age < SECONDS and not site.order.offline) or _local_files(site, text) != entry["local"]:
            return None
    except (ValueError, KeyError, TypeError, RecursionError, OSError, DreambootError):
        return None
    return KnownLock(text=text, age=age)


def keep(site: Site) -> None:
    """Remember the generation's lock, and forget those that are too old. A cache that can't be written is no fault."""
    text = site.host.read_text(site.generation.pylock) or ""
    try:
        entry = {"time": round(time.time(), 3), "local": _local_files(site, text), "lock": text}
        forget_old(site.host, site.layout)
        site.host.write_text(_place(site), json.dumps(entry) + "\n")
    except OSError:
        return


def forget(site: Site) -> None:
    """Resolve anew the next time: a file of this lock can't be had."""
    with contextlib.suppress(OSError):
        site.host.remove(_place(site))


def forget_old(host: Host, layout: Layout) -> None:
    """Remove what no build would take any more."""
    for name in host.list_dir(layout.locks):
        try:
            age = time.time() - (layout.locks / name).stat().st_mtime
        except OSError:
            continue  # another build has just removed it
        if not 0 <= age < SECONDS:
            host.remove(layout.locks / name)


def _place(site: Site) -> Path:
    order = site.order
    asked = (order.requirements, order.constraints, order.sources, order.target, _folders(order.sources))
    return site.layout.locks / (hashlib.sha256(canonical(asked).encode()).hexdigest() + ".json")


def _folders(sources: Sequence[str]) -> Tuple[Tuple[str, int], ...]:
    """Local folders among the sources, and when something was last put into them or taken out."""
    found: List[Tuple[str, int]] = []
    for word in sources:
        path = local_path(word) if word.startswith("file:") else Path(word)
        if path.is_absolute() and path.is_dir():
            found.append((word, path.stat().st_mtime_ns))
    return tuple(found)


def _local_files(site: Site, text: str) -> Dict[str, Any]:
    """URL → [bytes, time of change] of the lock's wheels in folders here. Raises `OSError` for a gone one."""
    files = pylock.locked_files(text, site.order.target)
    found = [local_path(file.url).stat() for file in files if file.url.startswith("file:")]
    urls = [file.url for file in files if file.url.startswith("file:")]
    return {url: [stat.st_size, stat.st_mtime_ns] for url, stat in zip(urls, found)}
