"""What each step of a build does: one function a step, from a site to events."""

from __future__ import annotations

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any, Callable, Dict, Iterator, List, Mapping, Optional, Sequence, Tuple

from dreamboot.building import (
    constraints,
    generations,
    install,
    intact,
    known_locks,
    local_pages,
    lock,
    patches,
    pylock,
    space,
    uv,
    verify,
)
from dreamboot.building import fetch as fetching
from dreamboot.building.access import shown
from dreamboot.building.elsewhere import elsewhere
from dreamboot.building.installed import check_installed, site_packages
from dreamboot.building.order import Site
from dreamboot.building.orphans import end_orphans
from dreamboot.building.steps import (
    ApplyPatches,
    CreateVenv,
    Fetch,
    InstallLocked,
    Lock,
    Switch,
    Verify,
    WriteAccelerateConfig,
)
from dreamboot.building.training_step import training_step
from dreamboot.launching.accelerate import config_text
from dreamboot.model import DreambootError, Event, EventKind, Preset, Problem
from dreamboot.values import to_json

# Before the next source is asked; where there is none, the same one gets its full number of tries.
FIRST_ATTEMPTS = 4
# Models of the check are tiny. OpenMP's threads wait by spinning: with two of them on two cores that others used, too,
# the training step took 51 s of processor time, with one 4 s (measured on 2026-11-23).
ONE_THREAD = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}


def _do_lock(site: Site) -> Iterator[Event]:
    constraints.write(site)
    known = None if site.order.locked else known_locks.find(site)
    if site.order.locked:
        yield Event(kind=EventKind.STARTED, stage="lock", message="taken from the given lock")
        site.host.write_text(site.generation.pylock, site.order.locked)
    elif known is not None:
        message = f"the same was resolved {known.age / 60:.0f} min ago: that lock is taken"
        yield Event(kind=EventKind.STARTED, stage="lock", message=message)
        site.host.write_text(site.generation.pylock, known.text)
    else:
        count = len(site.order.requirements)
        yield Event(kind=EventKind.STARTED, stage="lock", message=f"resolving {count} requirements")
        yield from _lines("lock", _resolve(site))
        known_locks.keep(site)
    yield from _lines("lock", patches.lock_wheels(site))
    yield Event(kind=EventKind.FINISHED, stage="lock", message=f"{len(_files(site))} packages, each with its sha256")


def _resolve(site: Site) -> Iterator[str]:
    """Into the generation's lock; what the fetch will need is made ready while uv waits for the indexes."""
    threading.Thread(target=fetching.load, name="load", daemon=True).start()
    resolver, torch = site.resolver, local_pages.planned_torch(site)
    if torch is not None:
        resolver = replace(resolver, sources=local_pages.sources_with(site, torch))
        site.unpacker.begin(site, [torch])
    requirements, place = site.generation.requirements, site.generation.pylock
    try:
        yield from lock.write_lock(site.host, resolver, site.order.target, requirements, place)
    finally:
        local_pages.remove(site)


def _files(site: Site) -> Tuple[lock.LockedFile, ...]:
    return pylock.locked_files(site.host.read_text(site.generation.pylock) or "", site.order.target)


def _do_fetch(site: Site) -> Iterator[Event]:
    installed = _files(site)
    files = [*installed, *patches.wheel_files(site)]
    missing = fetching.missing_files(site.layout, files)
    if site.order.offline and missing:
        raise DreambootError(_offline(missing))
    missing = fetching.with_sizes(missing, site.order.access)
    to_fetch = sum(fetching.size_of(file) for file in missing)
    message = f"{to_fetch / 1e6:.0f} MB in {len(missing)} files"
    yield Event(kind=EventKind.STARTED, stage="fetch", message=message, data={"bytes": to_fetch})
    # Wheels that uv has unpacked once are linked; which those are only uv knows. New ones are unpacked for sure.
    unpacked_before = bool(site.host.list_dir(site.layout.uv_cache / "archive-v0"))
    to_unpack = missing if unpacked_before else fetching.with_sizes(installed, site.order.access)
    unpacked = sum(space.unpacked_bytes(file.name, fetching.size_of(file)) for file in to_unpack)
    space.require_space(site.host, space.needs(site.host, site.layout, site.environment.root, to_fetch, unpacked))
    for file in filter(fetching.is_local, files):
        fetching.require_local(file)
    if missing:
        site.unpacker.begin(site, installed)
    yield from _fetch_anywhere(site, missing)
    site.unpacker.finish(site)
    yield Event(kind=EventKind.FINISHED, stage="fetch", message="everything is here")


def _fetch_anywhere(site: Site, files: List[lock.LockedFile]) -> Iterator[Event]:
    """Fetch; a file that its source does not give is looked for at every other one."""
    attempts = FIRST_ATTEMPTS
    while True:
        try:
            yield from fetching.fetch(site.layout, files, site.order.access, attempts)
            return
        except fetching.FetchFailed as failed:
            if attempts == fetching.ATTEMPTS or fetching.is_local(failed.file):
                raise
            missing = fetching.missing_files(site.layout, files)
            alternatives = elsewhere(site, [failed.file])
            if failed.file.sha256 in alternatives and len(missing) > 1:
                alternatives.update(elsewhere(site, missing))
            if failed.file.sha256 not in alternatives:
                attempts = fetching.ATTEMPTS
                message = f"{failed.problem.cause} No other source has it: trying on"
            else:
                place = alternatives[failed.file.sha256].url
                message = f"{failed.problem.cause} Going on with {site.order.access.hide(shown(place))}"
            yield Event(kind=EventKind.LINE, stage="fetch", message=message, data={"important": True})
            files = [
                replace(file, url=alternatives[file.sha256].url) if file.sha256 in alternatives else file
                for file in files
            ]


def _offline(missing: Sequence[lock.LockedFile]) -> Problem:
    return Problem(
        id="offline-missing",
        what=f"{len(missing)} packages are not in the cache, and --offline forbids fetching them.",
        cause="Missing: " + ", ".join(file.filename for file in missing[:5]),
        hint="Run the same command once without --offline.",
    )


def _do_venv(site: Site) -> Iterator[Event]:
    yield Event(kind=EventKind.STARTED, stage="venv", message=f"Python {site.order.plan.python}")
    yield from _lines("venv", install.create_venv(site))


def _do_install(site: Site) -> Iterator[Event]:
    files = _files(site)
    yield Event(kind=EventKind.STARTED, stage="install", message=f"{len(files)} packages")
    # What was collected as garbage since it was fetched is fetched again.
    if fetching.missing_files(site.layout, files):
        yield from _fetch_anywhere(site, list(files))
    # Wheels of local folders were not downloaded, so nobody has hashed them yet; that takes as long as linking them.
    with ThreadPoolExecutor(max_workers=1) as pool:
        matching = pool.submit(fetching.check_all_local, [*files, *patches.wheel_files(site)])
        yield from install.install_locked(site, files)
        matching.result()
    constraints.hold(site, files)


def _do_patches(site: Site) -> Iterator[Event]:
    yield Event(kind=EventKind.STARTED, stage="patch", message=", ".join(site.order.plan.patches))
    yield from patches.apply_patches(site)


def _do_accelerate(site: Site) -> Iterator[Event]:
    site.host.write_text(site.generation.accelerate, config_text(site.order.plan.accelerate))
    yield Event(kind=EventKind.LINE, stage="configure", message=f"wrote {site.generation.accelerate}")


def _do_verify(site: Site) -> Iterator[Event]:
    yield Event(kind=EventKind.STARTED, stage="verify", message="every file, and that it loads and trains")
    folder = site_packages(site.generation.venv, site.host.system)
    count = check_installed(folder, _files(site), lambda file: fetching.cached(site.layout, file))
    yield Event(kind=EventKind.LINE, stage="verify", message=f"{count} files are as their wheels hold them")
    variables = {**ONE_THREAD, **uv.clean_environment(site.host, training=True), **uv.mark(site.environment)}
    found, seconds = _side_by_side(site, variables)
    found["training_step_seconds"] = None if seconds is None else round(seconds, 1)
    site.host.write_text(site.generation.path / "verified.json", json.dumps(to_json(found), indent=1) + "\n")
    intact.note(site.host, site.generation, folder)
    versions = ", ".join(f"{name} {found['imports'][name]}" for name in found["imports"] if name != "PIL")
    step = "" if seconds is None else f"; one training step in {seconds:.0f} s"
    yield Event(kind=EventKind.FINISHED, stage="verify", message=versions + step)


def _side_by_side(site: Site, variables: Mapping[str, str]) -> Tuple[Dict[str, Any], Optional[float]]:
    """Imports and the training step, each a child of its own, at the same time: loading is most of both."""
    plan = site.order.plan
    with ThreadPoolExecutor(max_workers=1) as pool:
        imports = pool.submit(verify.verify, site.host, plan, site.generation, variables)
        try:
            trial = replace(plan, device="cpu", preset=Preset()) if site.order.elsewhere else plan
            seconds = training_step(site.host, site.layout, trial, site.generation, variables)
        except DreambootError:
            imports.result()  # what does not load does not train either: that reason goes first
            raise
        except BaseException:
            end_orphans(site.environment.root)
            raise
        return dict(imports.result()), seconds


def _do_switch(site: Site) -> Iterator[Event]:
    generations.switch(site.host, site.environment, site.generation.number)
    message = f"environment {site.environment.name}: generation {site.generation.number} is in use"
    yield Event(kind=EventKind.FINISHED, stage="build", message=message)


def _lines(stage: str, lines: Iterator[str]) -> Iterator[Event]:
    for line in lines:
        yield Event(kind=EventKind.LINE, stage=stage, message=line)


DO: Dict[type, Callable[[Site], Iterator[Event]]] = {
    Lock: _do_lock,
    Fetch: _do_fetch,
    CreateVenv: _do_venv,
    InstallLocked: _do_install,
    ApplyPatches: _do_patches,
    WriteAccelerateConfig: _do_accelerate,
    Verify: _do_verify,
    Switch: _do_switch,
}
