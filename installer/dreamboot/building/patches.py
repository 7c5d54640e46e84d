"""Applies the plan's patches to the new generation, and fetches the wheels that they take files from."""

from __future__ import annotations

from typing import Dict, Iterator, Sequence, Tuple

from dreamboot.building import pylock
from dreamboot.building.download import read_file
from dreamboot.building.fetch import cached, fetch
from dreamboot.building.installed import site_packages
from dreamboot.building.lock import LockedFile, write_lock
from dreamboot.building.order import Site
from dreamboot.building.uv import clean_environment
from dreamboot.host.base import Host
from dreamboot.model import DreambootError, Event, EventKind, Problem
from dreamboot.patching import Patch, apply, pick, shelf
from dreamboot.patching.check import fails


def chosen(host: Host, names: Sequence[str]) -> Tuple[Patch, ...]:
    """The plan's patches as they lie on the shelf."""
    return pick(shelf(host), names) if names else ()


def lock_wheels(site: Site) -> Iterator[str]:
    """Lock the wheels that patches take files from, beside the environment's own lock: they are not installed."""
    wanted = [wheel for patch in chosen(site.host, site.order.plan.patches) for wheel in patch.wheels]
    if not wanted:
        return
    asked = site.generation.path / "patches.in"
    site.host.write_text(asked, "".join(f"{wheel.requirement}\n" for wheel in wanted))
    yield from write_lock(
        site.host, site.resolver, site.order.target, asked, site.generation.patches_pylock, ("--no-deps",)
    )
    offered = {file.sha256 for file in wheel_files(site)}
    for wheel in wanted:
        if wheel.sha256 not in offered:
            raise DreambootError(
                Problem(
                    id="patch-wheel-differs",
                    what=f"{wheel.requirement} is not the file that the patch was made for.",
                    cause=f"Expected sha256 {wheel.sha256}; offered: {', '.join(sorted(offered)) or 'none'}.",
                    hint="Name another index: dreamboot build --index URL",
                )
            )


def wheel_files(site: Site) -> Tuple[LockedFile, ...]:
    """The locked wheels that patches take files from."""
    text = site.host.read_text(site.generation.patches_pylock)
    return pylock.locked_files(text, site.order.target) if text else ()


def apply_patches(site: Site) -> Iterator[Event]:
    """Apply the plan's patches as one change; all or none."""
    patches = chosen(site.host, site.order.plan.patches)
    files = wheel_files(site)
    yield from fetch(site.layout, files, site.order.access)
    wheels: Dict[str, bytes] = {file.sha256: read_file(cached(site.layout, file)) for file in files}
    folder = site_packages(site.generation.venv, site.host.system)
    planned = apply(site.host, folder, patches, wheels)
    for line in planned.warnings:
        yield Event(kind=EventKind.LINE, stage="patch", message=line, data={"important": True})
    yield from check_patches(site)
    names = ", ".join((*planned.names, *(f"{name} (was there already)" for name in planned.already)))
    yield Event(kind=EventKind.FINISHED, stage="patch", message=names or "none needed")


def check_patches(site: Site) -> Iterator[Event]:
    """Run each patch's own check in the new environment; raises `DreambootError` for the first that fails."""
    python = str(site.generation.python(site.host.system))
    variables = {**clean_environment(site.host), **site.order.plan.environment}
    for patch in chosen(site.host, site.order.plan.patches):
        why = fails(site.host, python, patch, variables)
        if why:
            raise DreambootError(
                Problem(
                    id="patch-fails",
                    what=f"With {patch.name} applied its check failed.",
                    cause=why,
                    hint="The environment in use before stays in use. Name the cause with: dreamboot doctor",
                )
            )
        yield Event(kind=EventKind.LINE, stage="patch", message=f"{patch.name}: its check passes")
