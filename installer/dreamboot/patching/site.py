"""What is installed in a site-packages folder: distributions by their .dist-info, read from outside."""

from __future__ import annotations

from pathlib import Path
from typing import Dict, Optional, Tuple

from packaging.utils import canonicalize_name

from dreamboot.host import Host
from dreamboot.values import value

STORE = ".dreamboot-patches"


@value
class Distribution:
    """An installed distribution: canonical name, version, and the name of its .dist-info folder."""

    name: str
    version: str
    folder: str

    @property
    def record(self) -> str:
        """Its RECORD, as a path below site-packages."""
        return f"{self.folder}/RECORD"


def distributions(host: Host, site_packages: Path) -> Dict[str, Distribution]:
    """Canonical name → distribution. The version is METADATA's, else that of the folder's name."""
    found = {}
    for folder in host.list_dir(site_packages):
        if not folder.endswith(".dist-info"):
            continue
        name, version = _named(host.read_text(site_packages / folder / "METADATA") or "")
        stem_name, _, stem_version = folder[: -len(".dist-info")].partition("-")
        canonical = str(canonicalize_name(name or stem_name))
        found[canonical] = Distribution(name=canonical, version=version or stem_version, folder=folder)
    return found


def _named(metadata: str) -> Tuple[str, str]:
    found: Dict[str, str] = {}
    for line in metadata.split("\n"):
        if not line.strip():
            break
        field, _, text = line.partition(":")
        found.setdefault(field.lower(), text.strip())
    return found.get("name", ""), found.get("version", "")


def compiled(host: Host, site_packages: Path, path: str) -> Tuple[str, ...]:
    """The .pyc files of a module: they would outlive a change of its source when they are of the unchecked kind."""
    if not path.endswith(".py"):
        return ()
    folder, _, name = path.rpartition("/")
    cache = f"{folder}/__pycache__" if folder else "__pycache__"
    stem = name[:-3]
    names = (entry for entry in host.list_dir(site_packages / cache) if entry.startswith(f"{stem}."))
    return tuple(f"{cache}/{entry}" for entry in names if entry.endswith(".pyc"))


def version_of(host: Host, site_packages: Path, distribution: str) -> Optional[Distribution]:
    """The installed distribution, None where it is not installed."""
    return distributions(host, site_packages).get(str(canonicalize_name(distribution)))
