"""What later installs must keep: this torch exactly, with its local version, and pip's own constraints."""

from __future__ import annotations

from typing import Sequence

from dreamboot.building.lock import LockedFile
from dreamboot.building.order import Site


def write(site: Site) -> None:
    """pip's constraints for the resolver, which does not read them itself."""
    lines = site.order.constraints
    site.host.write_text(site.generation.constraints, "".join(f"{line}\n" for line in lines))


def hold(site: Site, files: Sequence[LockedFile]) -> None:
    """Hold torch for whoever runs pip inside the environment: its own pip settings name the constraints."""
    lines = list(site.order.constraints)
    lines += [f"{file.name}=={file.version}" for file in files if file.name == "torch"]
    site.host.write_text(site.generation.constraints, "".join(f"{line}\n" for line in lines))
    name = "pip.ini" if site.host.system == "windows" else "pip.conf"
    # pip splits this setting at spaces; a URL has none.
    text = f"[install]\nconstraint = {site.generation.constraints.as_uri()}\n"
    site.host.write_text(site.generation.venv / name, text)
