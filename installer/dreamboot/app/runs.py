"""Finished and unfinished runs: by their folder, by their configuration file, by their name, or the newest one."""

from __future__ import annotations

from pathlib import Path
from typing import Optional

from dreamboot.building.layout import Layout
from dreamboot.host import Host
from dreamboot.model import DreambootError, Problem

CONFIG, RESOLVED = "config.toml", "resolved.toml"


def config_of(host: Host, layout: Layout, named: str) -> Path:
    """The configuration file of the run that is meant; "" is the newest in dreamboot's home.

    Raises `DreambootError` where there is none.
    """
    if not named:
        newest = _newest(host, layout.runs)
        if newest is not None:
            return _made_with(host, newest)
        raise DreambootError(
            Problem(
                id="no-runs",
                what="There is no run yet.",
                cause=f"Nothing was trained in {layout.runs}.",
                hint="dreamboot up   (trains), or name the folder of a run",
            )
        )
    for place in (Path(named), Path(named) / CONFIG, layout.runs / named / CONFIG):
        if host.exists(place) and not host.is_dir(place):
            return _made_with(host, place.absolute())
    known = ", ".join(name for name in host.list_dir(layout.runs) if host.exists(layout.runs / name / CONFIG))
    raise DreambootError(
        Problem(
            id="run-missing",
            what=f"There is no run {named}.",
            cause=f"Expected a folder with {CONFIG}, or the name of one in {layout.runs}: {known or 'there is none'}.",
            hint="the same command with one of these names, or with none for the newest" if known else "dreamboot up",
        )
    )


def _made_with(host: Host, config: Path) -> Path:
    """What the run was last made with, flags included, where it has come to training."""
    resolved = config.parent / RESOLVED
    return resolved if config.name == CONFIG and host.exists(resolved) else config


def _newest(host: Host, runs: Path) -> Optional[Path]:
    """The configuration of the run that was trained last; of one that has not come so far, when it began."""
    found = [runs / name / CONFIG for name in host.list_dir(runs)]
    present = [path for path in found if host.exists(path)]
    return max(present, key=lambda path: _made_with(host, path).stat().st_mtime, default=None)


def free_name(host: Host, folder: Path) -> Path:
    """A PNG's name that is not taken: 001.png, 002.png ..."""
    taken = set(host.list_dir(folder))
    return next(folder / f"{n:03d}.png" for n in range(1, len(taken) + 2) if f"{n:03d}.png" not in taken)
