"""What a plan will take: bytes to download and on disk, seconds; from measured sizes, rounded up."""

from __future__ import annotations

from typing import Optional

from dreamboot.catalog.rows import BuildSize
from dreamboot.model import Cost, SourceKind
from dreamboot.planning.companions import Chosen

MIB = 1024 * 1024
# An ordinary line and an ordinary disk; the wizard says "about".
_DOWNLOAD_MIB_PER_SECOND = 8.0
_UNPACK_MIB_PER_SECOND = 60.0
_FIXED_SECONDS = 20.0


def cost(chosen: Chosen) -> Cost:
    """Download, disk and time of the whole environment; empty where the catalog has no size for the build."""
    torch = torch_size(chosen)
    rest = _size(chosen, "packages")
    if torch is None or rest is None:
        return Cost()
    local = chosen.candidate.kind is SourceKind.FIND_LINKS and "://" not in chosen.candidate.url
    download = rest.download_mib + (0 if local else torch.download_mib)
    disk = rest.disk_mib + torch.disk_mib
    seconds = _FIXED_SECONDS + download / _DOWNLOAD_MIB_PER_SECOND + disk / _UNPACK_MIB_PER_SECOND
    return Cost(download_bytes=download * MIB, disk_bytes=disk * MIB, seconds=round(seconds))


def torch_size(chosen: Chosen) -> Optional[BuildSize]:
    """Download and disk of torch with the libraries that it pulls in; None where unknown."""
    return _size(chosen, chosen.candidate.tag)


def _size(chosen: Chosen, tag: str) -> Optional[BuildSize]:
    """The row of the exact tag and source kind, else of its family ("cu*")."""
    family = next((name for name in ("cu", "rocm") if tag.startswith(name) and tag != "cpu"), tag)
    kinds = (chosen.candidate.kind.value, "")
    rows = [row for row in chosen.question.catalog.table("sizes") if row.platform == chosen.question.platform]
    for wanted in (tag, f"{family}*"):
        for kind in kinds:
            for row in rows:
                if row.tag == wanted and row.source_kind == kind:
                    found: BuildSize = row
                    return found
    return None
