"""All facts of one examination, gathered once."""

# ruff: noqa: PTH118, PTH120 - strings, not Path objects: thousands of files are looked at in a second

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Callable, Dict, Sequence, Tuple

from dreamboot.doctor.facts import extensions, files, hub, integrity, model_files, packages, photos, settings, system
from dreamboot.doctor.facts.values import NOT_ASKED, Facts, Package, Target
from dreamboot.host import Host
from dreamboot.model import Machine


def gather(
    host: Host, target: Target, machine: Callable[[], Machine], *, data: Sequence[str] = (), near: str = ""
) -> Facts:
    """Read everything; `machine` is asked side by side. `data`: folders with models or photos to look into."""
    environ = dict(host.environ)
    with ThreadPoolExecutor(max_workers=1) as pool:
        asked = pool.submit(machine)
        read = _environment(target, environ)
        read.update(_surroundings(host, target, environ, data, near))
        return Facts(machine=asked.result(), target=target, **read)  # type: ignore[arg-type]


def _environment(target: Target, environ: Dict[str, str]) -> Dict[str, object]:
    found = packages.installed(target.site)
    own = set(target.own_site)
    copies = packages.torch_copies(_search_path(target, environ))
    return {
        "packages": found,
        "torch": copies[0] if copies else None,
        "torch_copies": copies,
        "torch_without_metadata": bool(copies) and not _has(found, "torch") and copies[0].site in target.site,
        "extensions": extensions.extensions(found),
        "leftovers": packages.leftovers(target.own_site),
        "file_faults": integrity.faults(package for package in found if package.site in own or not own),
        "path_files": packages.path_files(target.own_site),
        "user_packages": packages.installed([target.user_site]) if target.user_site else (),
    }


def _search_path(target: Target, environ: Dict[str, str]) -> Tuple[str, ...]:
    """PYTHONPATH, the environment's folders, and what its .pth files add; each once."""
    before = [folder for folder in environ.get("PYTHONPATH", "").split(os.pathsep) if folder]
    added = []
    for place, folders in packages.path_files(target.own_site).items():
        added += [os.path.join(os.path.dirname(place), folder) for folder in folders]
    kept: Dict[str, str] = {}
    for folder in (*before, *target.site, *added):
        kept.setdefault(os.path.realpath(folder), folder)
    return tuple(kept.values())


def _has(found: Sequence[Package], name: str) -> bool:
    return any(package.name == name for package in found)


def _surroundings(
    host: Host, target: Target, environ: Dict[str, str], data: Sequence[str], near: str
) -> Dict[str, object]:
    own, bundled = system.vc_runtimes(environ, target.python) if host.system == "windows" else (NOT_ASKED, "")
    looked = [str(Path(folder).expanduser()) for folder in data]
    cache = os.path.join(hub.home_of(environ), "hub")
    snapshots = [os.path.join(cache, name, "snapshots") for name in files.names(cache) if name.startswith("models--")]
    return {
        "environ": settings.variables(environ),
        "missing_paths": settings.missing_paths(environ),
        "pip": settings.pip_settings(environ, target.prefix),
        "shadowing_libraries": settings.shadowing_libraries(environ),
        "pythonpath_packages": settings.pythonpath_packages(environ),
        "launcher": settings.launcher(environ, target, near),
        "hub": hub.hub(environ, host),
        "accelerate": hub.accelerate_config(environ),
        "model_files": tuple(model_files.model_files([*looked, *snapshots])),
        "photos": photos.photo_folders(looked),
        "container": system.container(host),
        "vc_runtime": own,
        "bundled_vc_runtime": bundled,
        "wsl_libraries": system.wsl_libraries(),
        "kfd_writable": system.kfd_writable(),
    }
