"""Free room on each path that a build uses, each asked apart: they often lie on different disks, and one may hang."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Dict, Optional

from dreamboot.machine.asking import Asking, Facts
from dreamboot.model import Disk

MIB = 1024 * 1024


def probe(asking: Asking) -> Facts:
    """Disks for home, tmp, cache and work."""

    def ask(purpose: str, path: Path) -> Optional[Disk]:
        asking.note(f"{purpose}: {path}")
        room = asking.host.disk_free(path)
        if room is None:
            return None
        return Disk(
            purpose=purpose,
            path=str(path),
            free_mib=room[0] // MIB,
            total_mib=room[1] // MIB,
            writable=asking.host.writable(path),
        )

    paths = places(asking)
    found = asking.together([partial(ask, purpose, path) for purpose, path in paths.items()])
    return {"disks": tuple(disk for disk in found if disk is not None)}


def places(asking: Asking) -> Dict[str, Path]:
    """Purpose → path: dreamboot's home, temporary files, the user's caches (wheels, models), the working folder."""
    environ = asking.environ
    user = Path(environ.get("USERPROFILE") or environ.get("HOME") or "~").expanduser()
    if asking.system == "windows":
        local = environ.get("LOCALAPPDATA") or str(user / "AppData" / "Local")
        tmp, cache = environ.get("TEMP") or environ.get("TMP") or f"{local}\\Temp", local
    else:
        tmp = environ.get("TMPDIR") or "/tmp"  # noqa: S108 - where others put their files
        fallback = user / "Library" / "Caches" if asking.system == "macos" else user / ".cache"
        cache = environ.get("HF_HOME") or environ.get("XDG_CACHE_HOME") or str(fallback)
    return {"home": asking.home, "tmp": Path(tmp), "cache": Path(cache), "work": Path.cwd()}
