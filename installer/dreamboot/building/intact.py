"""Is a finished environment still where and as it was left? A look of milliseconds, for builds with nothing to do."""

from __future__ import annotations

from pathlib import Path

from dreamboot.building.layout import GenerationLayout
from dreamboot.host import Host


def note(host: Host, generation: GenerationLayout, packages: Path) -> None:
    """Note where the generation is, and what lies in its folder of packages."""
    names = sorted(name for name in host.list_dir(packages) if name != "__pycache__")
    lines = (str(generation.path), packages.relative_to(generation.path).as_posix(), *names)
    host.write_text(generation.contents, "\n".join(lines) + "\n")


def intact(host: Host, generation: GenerationLayout) -> bool:
    """Whether it lies where it was built, and nothing that was noted is gone.

    A home that was moved holds scripts and settings with its old path; one that is reached by another name (a link) is
    the same. More than was noted is the user's own. What was built before there were notes is taken as it is. Whether
    each file is as it should be, the doctor says.
    """
    noted = (host.read_text(generation.contents) or "").splitlines()
    if len(noted) < 2:
        return True
    place, packages, *names = noted
    if host.real_path(Path(place)) != host.real_path(generation.path):
        return False
    return not set(names) - set(host.list_dir(generation.path / packages))
