"""Bundle: everything that a machine without a network needs, in one folder, for this or any stated platform."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Dict, Generator, Iterator, List, Sequence, Tuple, Union

from dreamboot.app.build import decide
from dreamboot.app.context import Context
from dreamboot.app.environment import order_for
from dreamboot.app.locking import locked_text, target_of
from dreamboot.building import patches, pylock, space
from dreamboot.building.fetch import cached, fetch, size_of, with_sizes
from dreamboot.building.layout import Layout
from dreamboot.building.lock import LockedFile
from dreamboot.building.order import Order
from dreamboot.model import DreambootError, Event, EventKind, Plan, Problem, Report, Wish
from dreamboot.values import canonical, parse_toml

# What of a checkout the tool itself is; tests and documents stay behind.
PARTS = ("installer", "trainer", "patches", "pyproject.toml", "README.md", "LICENSE")
NOT_COPIED = ("__pycache__", ".git", "*.partial")


def bundle(context: Context, wish: Wish, output: Path, bandwidth: int = 0) -> Iterator[Union[Event, Report]]:
    """The use case behind `dreamboot bundle`."""
    machine, plan = yield from decide(context, wish)
    output = output.absolute()
    _require_new(context, output)
    target = target_of(context, plan, machine)
    order = order_for(context, plan, "bundle", wish=wish, target=target, bandwidth=bandwidth)
    if context.dry_run:
        lines = tuple(f"bundle: {line}" for line in order.requirements)
        yield Report(command="bundle", data={"schema": 1, "requirements": list(order.requirements)}, messages=lines)
        return
    lock = yield from locked_text(context, order)
    own = yield from locked_text(context, order, _own_requirements(context))
    extra = yield from _patch_wheels(context, order, plan)
    layout = Layout(home=context.home)
    wheels = [*pylock.locked_files(lock, target), *extra]
    tool = list(pylock.locked_files(own, target))
    yield from _fetch(context, layout, order, [*wheels, *tool], output)
    beside = output.with_name(f".{output.name}.partial")
    context.host.remove(beside)
    _place(context, layout, beside / "wheels", wheels)
    _place(context, layout, beside / "tool", tool)
    _copy_tool(context, beside)
    context.host.write_text(beside / "pylock.toml", _relative(lock))
    context.host.write_text(beside / "plan.json", canonical(plan) + "\n")
    context.host.write_text(beside / "README.txt", _readme(plan))
    count, total = _checksums(context, beside)
    context.host.move(beside, output)
    message = f"{output}: {count} files, {total / 1e6:.0f} MB, for Python {plan.python} on {plan.platform}"
    data = {"schema": 1, "path": str(output), "files": count, "bytes": total, "python": plan.python,
            "platform": plan.platform}  # fmt: skip
    yield Report(command="bundle", data=data, messages=(message, f"There: {_command(plan)}"))


def _require_new(context: Context, output: Path) -> None:
    if context.host.list_dir(output) or (context.host.exists(output) and not context.host.is_dir(output)):
        raise DreambootError(
            Problem(
                id="bundle-exists",
                what=f"{output} exists already and is not empty.",
                cause="A bundle is made as a whole, beside its place, and never mixed into another.",
                hint="Name a new folder: dreamboot bundle -o FOLDER",
            )
        )


def _own_requirements(context: Context) -> Tuple[str, ...]:
    """What dreamboot's own environment is made of."""
    project = parse_toml(context.host.read_text(checkout_folder(context) / "pyproject.toml") or "")
    return tuple(project["project"]["dependencies"])


def checkout_folder(context: Context) -> Path:
    """The checkout that runs; raises `DreambootError` when dreamboot was installed from a wheel."""
    named = context.host.environ.get("DREAMBOOT_CHECKOUT") or os.fspath(Path(__file__).resolve().parents[3])
    checkout = Path(named)
    if not context.host.exists(checkout / "installer" / "bootstrap.py"):
        raise DreambootError(
            Problem(
                id="no-checkout",
                what="A bundle is made from a checkout; this dreamboot was installed from a wheel.",
                cause=f"There is no {checkout / 'installer' / 'bootstrap.py'}.",
                hint="git clone the project, then: python3 installer/bootstrap.py bundle -o FOLDER",
            )
        )
    return checkout


def _patch_wheels(context: Context, order: Order, plan: Plan) -> Generator[Event, None, Tuple[LockedFile, ...]]:
    """The wheels that the plan's patches take files from."""
    wanted = [wheel for patch in patches.chosen(context.host, plan.patches) for wheel in patch.wheels]
    if not wanted:
        return ()
    text = yield from locked_text(context, order, [wheel.requirement for wheel in wanted])
    return tuple(
        file for file in pylock.locked_files(text, order.target) if file.sha256 in {one.sha256 for one in wanted}
    )


def _fetch(
    context: Context, layout: Layout, order: Order, files: Sequence[LockedFile], output: Path
) -> Iterator[Event]:
    sized = with_sizes(files, order.access)
    total = sum(map(size_of, sized))
    yield Event(kind=EventKind.STARTED, stage="fetch", message=f"{total / 1e6:.0f} MB in {len(sized)} files")
    needs = (space.Need(path=output, purpose="the bundle", bytes=total),)
    space.require_space(context.host, needs)
    yield from fetch(layout, sized, order.access)
    yield Event(kind=EventKind.FINISHED, stage="fetch", message="all files match their locks")


def _place(context: Context, layout: Layout, folder: Path, files: Sequence[LockedFile]) -> None:
    context.host.make_dir(folder)
    for file in files:
        place = folder / file.filename
        if not context.host.exists(place):
            context.host.link(cached(layout, file), place)


def _copy_tool(context: Context, folder: Path) -> None:
    checkout = checkout_folder(context)
    for part in PARTS:
        source, place = checkout / part, folder / "dreamboot" / part
        if context.host.is_dir(source):
            context.host.copy_tree(source, place, ignore=NOT_COPIED)
        elif context.host.exists(source):
            context.host.write_text(place, context.host.read_text(source) or "")


def _relative(lock: str) -> str:
    """The lock with every file taken from the bundle itself."""
    import re

    def inside(found: re.Match[str]) -> str:
        name = LockedFile(name="", version="", url=found.group(1), sha256="").filename
        return f'path = "wheels/{name}"'

    return re.sub(r'(?<=[{ ,])url = "([^"\\]+)"', inside, lock)


def _checksums(context: Context, folder: Path) -> Tuple[int, int]:
    """Write SHA256SUMS over everything; (files, bytes)."""
    sums: Dict[str, str] = {}
    total = 0
    for base, _, names in os.walk(folder):
        for name in names:
            path = Path(base) / name
            digest = hashlib.sha256()
            with path.open("rb") as file:
                for chunk in iter(lambda: file.read(1 << 20), b""):
                    digest.update(chunk)
            sums[path.relative_to(folder).as_posix()] = digest.hexdigest()
            total += path.stat().st_size
    lines: List[str] = [f"{sums[name]}  {name}\n" for name in sorted(sums)]
    context.host.write_text(folder / "SHA256SUMS", "".join(lines))
    return len(sums), total


def _command(plan: Plan) -> str:
    if plan.platform.startswith("windows"):
        return f"py -{plan.python} FOLDER\\dreamboot\\installer\\bootstrap.py --offline FOLDER up"
    return f"python{plan.python} FOLDER/dreamboot/installer/bootstrap.py --offline FOLDER up"


def _readme(plan: Plan) -> str:
    return (
        f"dreamboot for a machine without a network: Python {plan.python}, {plan.platform}, torch "
        f"{plan.torch.local_version}.\n\nWith that Python on the machine, and FOLDER this folder:\n\n"
        f"    {_command(plan)}\n\nSHA256SUMS names every file; it is checked before anything is installed.\n"
    )
