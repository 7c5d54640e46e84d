"""Locks as files: made without building, for this or a stated machine, and built from."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Generator, Iterator, Optional, Protocol, Sequence, Tuple, Union

from dreamboot.app.context import Context
from dreamboot.app.environment import order_for
from dreamboot.building import constraints, pylock
from dreamboot.building.build import site_of
from dreamboot.building.layout import GenerationLayout, Layout
from dreamboot.building.lock import write_lock
from dreamboot.building.order import Order
from dreamboot.building.target import Target, target_here, target_stated
from dreamboot.model import DreambootError, Event, EventKind, Machine, Plan, Problem, Report, Wish


class Locking(Protocol):
    """What `lock_only` needs to know of how a build is to be done."""

    @property
    def extra(self) -> Tuple[str, ...]:
        """More requirements."""

    @property
    def output(self) -> Optional[Path]:
        """Where the lock goes; None: it is the report."""


def read_lock(context: Context, path: Path) -> str:
    """The text of a lock, its relative paths made absolute. Raises `DreambootError` when it is none."""
    text = context.host.read_text(path)
    if text is None:
        raise DreambootError(
            Problem(
                id="lock-missing",
                what=f"There is no lock {path}.",
                cause="The path is wrong, or the file can't be read.",
                hint="dreamboot build --lock-only -o pylock.toml   (it makes one)",
            )
        )
    pylock.parse(text)
    return pylock.with_absolute_paths(text, path.absolute().parent)


def with_torch_of(wish: Wish, locked: str) -> Wish:
    """The wish, held to the torch of a lock: the planner then says whether that one works on this machine."""
    version = pylock.versions(locked).get("torch", "") if locked else ""
    if not version or any(pin.startswith("torch=") for pin in wish.pins):
        return wish
    return replace(wish, pins=(*wish.pins, f"torch=={version}"))


def target_of(context: Context, plan: Plan, machine: Machine) -> Target:
    """Whom a lock is for."""
    return target_here(plan) if context.assume is None else target_stated(plan, machine)


def lock_only(
    context: Context, wish: Wish, machine: Machine, plan: Plan, making: Locking
) -> Iterator[Union[Event, Report]]:
    """Resolve and write the lock; nothing else is changed."""
    target = target_of(context, plan, machine)
    order = order_for(context, plan, "lock", making.extra, wish=wish, target=target)
    if context.dry_run:
        lines = tuple(f"lock: {line}" for line in order.requirements)
        yield Report(command="build", data={"schema": 1, "requirements": list(order.requirements)}, messages=lines)
        return
    text = yield from locked_text(context, order)
    count = len(pylock.locked_files(text, target))
    if making.output is None:
        yield Report(command="build", data={"schema": 1, "lock": text, "packages": count}, messages=(text,))
        return
    context.host.write_text(making.output, text)
    message = f"{making.output}: {count} packages for Python {plan.python} on {plan.platform}"
    data = {"schema": 1, "path": str(making.output), "packages": count}
    yield Report(command="build", data=data, messages=(message,))


def locked_text(context: Context, order: Order, requirements: Sequence[str] = ()) -> Generator[Event, None, str]:
    """Resolve `order` (or other `requirements` for its target); yields events, returns the lock's text."""
    wanted = tuple(requirements) or order.requirements
    yield Event(kind=EventKind.STARTED, stage="lock", message=f"resolving {len(wanted)} requirements")
    with tempfile.TemporaryDirectory(prefix="dreamboot-lock-") as folder:
        place = GenerationLayout(number=0, path=Path(folder))
        site = site_of(context.host, Layout(home=context.home), order, place)
        context.host.write_text(place.requirements, "\n".join(wanted) + "\n")
        constraints.write(site)
        try:
            for line in write_lock(context.host, site.resolver, order.target, place.requirements, place.pylock):
                yield Event(kind=EventKind.LINE, stage="lock", message=order.access.hide(line))
        except DreambootError as error:
            problem = replace(error.problem, cause=order.access.hide(error.problem.cause))
            raise DreambootError(problem) from error
        text = context.host.read_text(place.pylock) or ""
    count = len(pylock.locked_files(text, order.target))
    yield Event(kind=EventKind.FINISHED, stage="lock", message=f"{count} packages, each with its sha256")
    return text
