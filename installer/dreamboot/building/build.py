"""The builder: takes a plan through its steps in a new generation, goes on where an earlier call was stopped."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import FrozenSet, Iterator

from dreamboot.building import generations, journal, space
from dreamboot.building.exclusive import only_builder
from dreamboot.building.intact import intact
from dreamboot.building.layout import EnvironmentLayout, GenerationLayout, Layout
from dreamboot.building.order import Order, Site
from dreamboot.building.steps import steps
from dreamboot.host import Host
from dreamboot.model import DreambootError, Environment, Event, EventKind
from dreamboot.values import canonical

__all__ = ["build", "built", "is_current", "only_builder"]


def build(host: Host, layout: Layout, order: Order) -> Iterator[Event]:
    """Build and switch; yields events. Afterwards `generations.in_use` is the new environment.

    Raises `DreambootError`. However it ends, the generation in use before stays usable, and the same call goes on.
    """
    access = order.access
    try:
        for event in _build(host, layout, order):
            yield replace(event, message=access.hide(event.message))
    except DreambootError as error:
        shown = replace(error.problem, what=access.hide(error.problem.what), cause=access.hide(error.problem.cause))
        raise DreambootError(shown, exit_code=error.exit_code) from error
    except OSError as error:
        if space.is_full(error):
            raise DreambootError(space.full_disk(str(error))) from error
        raise


def _build(host: Host, layout: Layout, order: Order) -> Iterator[Event]:
    environment = layout.environment(order.name)
    space.require_writable(host, layout.home)
    host.make_dir(environment.root)
    with only_builder(environment):
        if not order.again and is_current(host, layout, order):
            yield Event(kind=EventKind.FINISHED, stage="build", message="already built: nothing to do")
            return
        # What follows is imported here: most calls end above, and shall not wait for it.
        from dreamboot.building import known_locks
        from dreamboot.building.orphans import end_orphans

        for path in (layout.uv_cache, layout.wheels):
            space.require_writable(host, path)
        if end_orphans(environment.root):
            yield Event(kind=EventKind.LINE, stage="build", message="ended what a killed build had left running")
        _require_room(host, layout, environment, order)
        generation = _generation_to_build(host, environment, order)
        site = site_of(host, layout, order, generation)
        yield from _require_python(site)
        try:
            yield from _steps(site)
        except DreambootError as error:
            known_locks.forget(site)  # whatever it was: the next build asks the indexes again
            if error.problem.id != "environment-differs" or order.again:
                raise
            # The unpacked wheels that all environments link to were damaged: a disk, or an edit in another one.
            message = f"{error.problem.cause}: unpacked anew"
            yield Event(kind=EventKind.LINE, stage="verify", message=message, data={"important": True})
            _take_back(site)
            yield from _steps(site)


def _require_python(site: Site) -> Iterator[Event]:
    """A Python that this machine lacks is fetched by uv first: where that fails, no package was downloaded in vain."""
    if site.order.target.python_path or journal.done_steps(site.host, site.generation):
        return
    from dreamboot.building.install import create_venv

    for line in create_venv(site):
        yield Event(kind=EventKind.LINE, stage="venv", message=line)


def _steps(site: Site) -> Iterator[Event]:
    """Do the steps that the journal does not call done."""
    from dreamboot.building.do import DO

    finished = _still_true(site.host, site.generation)
    try:
        for step in steps(site.order.plan, site.order.requirements):
            name = type(step).__name__
            if name in finished and name != "Switch":
                message = f"{name}: done before"
                yield Event(kind=EventKind.LINE, stage=name.lower(), message=message, data={"again": True})
                continue
            begun = time.monotonic()
            yield from DO[type(step)](site)
            journal.record(site.host, site.generation, name, time.monotonic() - begun)
    finally:
        site.unpacker.end(site)


def _take_back(site: Site) -> None:
    """Undo what was installed, and let uv forget what it had unpacked of this lock."""
    from dreamboot.building import pylock
    from dreamboot.building.install import forget_unpacked

    lock = site.host.read_text(site.generation.pylock) or ""
    site.host.remove(site.generation.journal)
    site.host.remove(site.generation.venv)
    forget_unpacked(site, pylock.locked_files(lock, site.order.target))


def site_of(host: Host, layout: Layout, order: Order, generation: GenerationLayout) -> Site:
    """Where `order` is built: uv with its variables, sources and constraints."""
    from dreamboot.building import uv
    from dreamboot.building.lock import Resolver
    from dreamboot.building.unpack import Unpacker

    environment = layout.environment(order.name)
    variables = {
        **uv.uv_environment(host, layout, order.access), **uv.mark(environment), **order.secrets,
    }  # fmt: skip
    resolver = Resolver(
        uv=uv.uv_binary(), variables=variables, sources=order.sources,
        constraints=(generation.constraints,) if order.constraints else (), offline=order.offline,
    )  # fmt: skip
    return Site(
        host=host,
        layout=layout,
        environment=environment,
        generation=generation,
        order=order,
        resolver=resolver,
        unpacker=Unpacker(),
    )


def _require_room(host: Host, layout: Layout, environment: EnvironmentLayout, order: Order) -> None:
    """Refuse before the first byte by the plan's own estimate; the lock's exact sizes are checked again later.

    Wheels that uv has unpacked once are linked, so a home with a filled cache needs next to nothing.
    """
    if not host.list_dir(layout.uv_cache / "archive-v0"):
        estimate = order.plan.cost.disk_bytes or 0
        fetched = order.plan.cost.download_bytes or 0
        space.require_space(host, space.needs(host, layout, environment.root, fetched, estimate))


def is_current(host: Host, layout: Layout, order: Order) -> bool:
    """Whether the environment in use is already the one that is asked for."""
    environment = layout.environment(order.name)
    number = generations.current_number(host, environment)
    if number is None or not generations.is_complete(host, environment, number):
        return False
    if not intact(host, environment.generation(number)):
        return False
    # Only looked at, not read: parsing it would take longer than everything else here.
    lock = host.read_text(environment.generation(number).pylock) or ""
    return lock.lstrip().startswith(("lock-version", "#")) and _same(host, environment.generation(number), order)


def _still_true(host: Host, generation: GenerationLayout) -> FrozenSet[str]:
    """The steps that the journal calls done, as far as what they made is still there to go on with."""
    from dreamboot.building import pylock

    finished = journal.done_steps(host, generation)
    if "Lock" in finished and not pylock.versions(host.read_text(generation.pylock) or ""):
        return frozenset()
    if not host.exists(generation.python(host.system)):
        return finished & {"Lock", "Fetch"}
    return finished


def _same(host: Host, generation: GenerationLayout, order: Order) -> bool:
    # Sorted: a plan that was read from its file has its packages in another order.
    wanted = sorted((host.read_text(generation.requirements) or "").splitlines()) == sorted(order.requirements)
    lock = host.read_text(generation.pylock)
    if order.locked and lock not in (order.locked, None):
        return False
    environment = EnvironmentLayout(name="", root=generation.path.parent.parent)
    return wanted and generations.read_plan_id(host, environment, generation.number) == order.plan.id


def _generation_to_build(host: Host, environment: EnvironmentLayout, order: Order) -> GenerationLayout:
    """The newest generation when it is this plan's and unfinished; a new one otherwise."""
    generations.empty_trash(host, environment)
    known = list(generations.numbers(host, environment))
    current = generations.current_number(host, environment)
    if known and known[-1] != current:
        newest = environment.generation(known[-1])
        complete = generations.is_complete(host, environment, newest.number)
        good = not order.again and intact(host, newest)
        if _same(host, newest, order) and (good or not complete):
            for name in host.list_dir(newest.path):
                if name.startswith("."):
                    host.remove(newest.path / name)  # what a kill left of a file that was being written
            return newest
        if not complete:
            generations.discard(host, environment, known.pop())  # an unfinished build of another plan
    generation = environment.generation((known[-1] if known else 0) + 1)
    host.make_dir(generation.path)
    host.write_text(generation.requirements, "\n".join(order.requirements) + "\n")
    host.write_text(generation.plan, canonical(order.plan) + "\n")
    return generation


def built(host: Host, layout: Layout, name: str) -> Environment:
    """The environment after `build`."""
    return generations.require(host, layout, name)
