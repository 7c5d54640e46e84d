"""What each step of a build does: one function a step, from a site to events."""

from __future__ import annotations

from typing import Any, Callable, Dict, Iterator, Sequence, Tuple

from dreamboot.building import fetch as fetching
from dreamboot.building import generations, install, lock, space, tags, uv, verify
from dreamboot.building.order import Site
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
from dreamboot.launching.accelerate import config_text
from dreamboot.model import DreambootError, Event, EventKind, Problem
from dreamboot.values import to_json


def _do_lock(site: Site) -> Iterator[Event]:
    count = len(site.order.requirements)
    yield Event(kind=EventKind.STARTED, stage="lock", message=f"resolving {count} requirements")
    if site.order.locked:
        site.host.write_text(site.generation.pylock, site.order.locked)
    else:
        lines = lock.write_lock(
            site.host, uv=uv.uv_binary(), environment=site.variables, arguments=site.order.sources,
            python=site.order.plan.python_path or site.order.plan.python,
            requirements=site.generation.requirements, target=site.generation.pylock,
        )  # fmt: skip
        yield from _lines("lock", lines)
    files = _files(site)
    yield Event(kind=EventKind.FINISHED, stage="lock", message=f"{len(files)} packages, each with its sha256")


def _files(site: Site) -> Tuple[lock.LockedFile, ...]:
    text = site.host.read_text(site.generation.pylock) or ""
    return lock.locked_files(text, tags.supported_tags(site.order.plan.python))


def _do_fetch(site: Site) -> Iterator[Event]:
    files = _files(site)
    missing = [
        file for file in files if not fetching.is_local(file) and not fetching.cached(site.layout, file).exists()
    ]
    to_fetch = sum(fetching.size_of(file) for file in missing)
    unpacked = sum(space.unpacked_bytes(file.name, fetching.size_of(file)) for file in files)
    message = f"{to_fetch / 1e6:.0f} MB in {len(missing)} files"
    yield Event(kind=EventKind.STARTED, stage="fetch", message=message, data={"bytes": to_fetch})
    space.require_space(
        site.host,
        (
            space.Need(path=site.layout.wheels, purpose="downloads", bytes=to_fetch),
            space.Need(path=site.environment.root, purpose="the environment", bytes=unpacked),
        ),
    )
    if site.order.offline and any(not file.url.startswith("file:") for file in missing):
        raise DreambootError(_offline(missing))
    yield from fetching.fetch(site.layout, files, site.order.access)
    yield Event(kind=EventKind.FINISHED, stage="fetch", message="all files match the lock")


def _offline(missing: Sequence[lock.LockedFile]) -> Problem:
    return Problem(
        id="offline-missing",
        what=f"{len(missing)} packages are not in the cache, and --offline forbids fetching them.",
        cause="Missing: " + ", ".join(file.filename for file in missing[:5]),
        hint="Run the same command once without --offline.",
    )


def _do_venv(site: Site) -> Iterator[Event]:
    plan = site.order.plan
    yield Event(kind=EventKind.STARTED, stage="venv", message=f"Python {plan.python}")
    lines = install.create_venv(
        site.host, uv=uv.uv_binary(), environment=site.variables, python=plan.python_path or plan.python,
        generation=site.generation, offline=site.order.offline,
    )  # fmt: skip
    yield from _lines("venv", lines)


def _do_install(site: Site) -> Iterator[Event]:
    files = _files(site)
    yield Event(kind=EventKind.STARTED, stage="install", message=f"{len(files)} packages")
    lines = install.install_locked(
        site.host, uv=uv.uv_binary(), environment=site.variables, layout=site.layout, generation=site.generation,
        files=files,
    )  # fmt: skip
    yield from _lines("install", lines)


def _do_patches(site: Site) -> Iterator[Event]:
    raise NotImplementedError


def _do_accelerate(site: Site) -> Iterator[Event]:
    site.host.write_text(site.generation.accelerate, config_text(site.order.plan.accelerate))
    yield Event(kind=EventKind.LINE, stage="configure", message=f"wrote {site.generation.accelerate}")


def _do_verify(site: Site) -> Iterator[Event]:
    yield Event(kind=EventKind.STARTED, stage="verify", message="importing the packages in a child process")
    variables = uv.clean_environment(site.host, training=True)
    found = verify.verify(site.host, site.order.plan, site.generation, variables)
    site.host.write_text(site.generation.path / "verified.json", _pretty(found))
    versions = ", ".join(f"{name} {found['imports'][name]}" for name in found["imports"] if name != "PIL")
    yield Event(kind=EventKind.FINISHED, stage="verify", message=versions)


def _do_switch(site: Site) -> Iterator[Event]:
    generations.switch(site.host, site.environment, site.generation.number)
    message = f"environment {site.environment.name}: generation {site.generation.number} is in use"
    yield Event(kind=EventKind.FINISHED, stage="build", message=message)


def _lines(stage: str, lines: Iterator[str]) -> Iterator[Event]:
    for line in lines:
        yield Event(kind=EventKind.LINE, stage=stage, message=line)


def _pretty(data: Any) -> str:
    import json

    return json.dumps(to_json(data), indent=1) + "\n"


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
