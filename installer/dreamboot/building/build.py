"""The builder: takes a plan through its steps in a new generation, goes on where an earlier call was stopped."""

from __future__ import annotations

import time
from typing import Iterator

from dreamboot.building import generations, journal, space, uv
from dreamboot.building.do import DO
from dreamboot.building.layout import EnvironmentLayout, GenerationLayout, Layout
from dreamboot.building.order import Order, Site
from dreamboot.building.steps import steps
from dreamboot.host import Host
from dreamboot.model import DreambootError, Environment, Event, EventKind, Problem


def build(host: Host, layout: Layout, order: Order) -> Iterator[Event]:
    """Build and switch; yields events. Afterwards `generations.in_use` is the new environment.

    Raises `DreambootError`. However it ends, the generation in use before stays usable, and the same call goes on.
    """
    environment = layout.environment(order.name)
    space.require_writable(host, layout.home)
    host.make_dir(environment.root)
    with only_builder(environment):
        if not order.again and is_current(host, layout, order):
            yield Event(kind=EventKind.FINISHED, stage="build", message="already built: nothing to do")
            return
        _require_room(host, layout, environment, order)
        generation = _generation_to_build(host, environment, order)
        site = Site(
            host=host, layout=layout, environment=environment, generation=generation, order=order,
            variables=uv.uv_environment(host, layout, order.access.certificate),
        )  # fmt: skip
        finished = journal.done_steps(host, generation)
        for step in steps(order.plan, order.requirements):
            name = type(step).__name__
            if name in finished and name != "Switch":
                yield Event(
                    kind=EventKind.LINE, stage=name.lower(), message=f"{name}: done before", data={"again": True}
                )
                continue
            begun = time.monotonic()
            yield from DO[type(step)](site)
            journal.record(host, generation, name, time.monotonic() - begun)


def _require_room(host: Host, layout: Layout, environment: EnvironmentLayout, order: Order) -> None:
    """Refuse before the first byte by the plan's own estimate; the lock's exact sizes are checked again later.

    Wheels that uv has unpacked once are linked, so a home with a filled cache needs next to nothing.
    """
    if not host.list_dir(layout.uv_cache / "archive-v0"):
        estimate = order.plan.cost.disk_bytes or 0
        space.require_space(host, (space.Need(path=environment.root, purpose="the environment", bytes=estimate),))


def is_current(host: Host, layout: Layout, order: Order) -> bool:
    """Whether the environment in use is already the one that is asked for."""
    environment = layout.environment(order.name)
    number = generations.current_number(host, environment)
    return number is not None and _same(host, environment.generation(number), order)


def _same(host: Host, generation: GenerationLayout, order: Order) -> bool:
    wanted = (host.read_text(generation.requirements) or "").split() == " ".join(order.requirements).split()
    plan = generations.read_plan(
        host, EnvironmentLayout(name="", root=generation.path.parent.parent), generation.number
    )
    return wanted and plan is not None and plan.id == order.plan.id


def _generation_to_build(host: Host, environment: EnvironmentLayout, order: Order) -> GenerationLayout:
    """The newest generation when it is this plan's and unfinished; a new one otherwise."""
    from dreamboot.values import canonical

    known = generations.numbers(host, environment)
    newest = environment.generation(known[-1]) if known else None
    current = generations.current_number(host, environment)
    if newest is not None and newest.number != current:
        if _same(host, newest, order):
            return newest
        if "Verify" not in journal.done_steps(host, newest):
            host.remove(newest.path)  # an unfinished build of another plan
    generation = environment.generation((known[-1] if known else 0) + 1)
    host.make_dir(generation.path)
    host.write_text(generation.requirements, "\n".join(order.requirements) + "\n")
    host.write_text(generation.plan, canonical(order.plan) + "\n")
    return generation


class only_builder:  # noqa: N801 - reads as the phrase it is: `with only_builder(environment)`
    """Holds the environment's lock; the operating system frees it when a builder dies, so it can't go stale."""

    def __init__(self, environment: EnvironmentLayout) -> None:
        import filelock

        self._lock = filelock.FileLock(str(environment.lock), timeout=0)
        self._name = environment.name

    def __enter__(self) -> None:
        import filelock

        try:
            self._lock.acquire()
        except filelock.Timeout as busy:
            raise DreambootError(
                Problem(
                    id="build-running",
                    what=f"Another dreamboot is building the environment {self._name} right now.",
                    cause=f"It holds {self._lock.lock_file}.",
                    hint="Wait until it has finished, then run the same command again.",
                )
            ) from busy

    def __exit__(self, *_: object) -> None:
        self._lock.release()


def built(host: Host, layout: Layout, name: str) -> Environment:
    """The environment after `build`."""
    return generations.require(host, layout, name)
