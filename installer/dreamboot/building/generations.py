"""Which generations an environment has, which one is in use, and how the pointer moves."""

from __future__ import annotations

from typing import Optional, Tuple

from dreamboot.building.journal import done_steps
from dreamboot.building.layout import EnvironmentLayout, Layout
from dreamboot.host import Host
from dreamboot.model import DreambootError, Environment, Plan, Problem, plan_id
from dreamboot.values import value


@value
class Generation:
    """One generation as it lies on disk."""

    number: int
    complete: bool
    current: bool
    plan_id: str = ""
    torch: str = ""


def numbers(host: Host, environment: EnvironmentLayout) -> Tuple[int, ...]:
    """All generations on disk, oldest first."""
    return tuple(
        sorted(int(name) for name in host.list_dir(environment.generations) if len(name) < 9 and _is_number(name))
    )


def _is_number(text: str) -> bool:
    """As we write it: no sign, no leading zero, no digits of other scripts (which `isdigit` takes)."""
    return text.isascii() and text.isdigit() and str(int(text)) == text


def current_number(host: Host, environment: EnvironmentLayout) -> Optional[int]:
    """The generation in use; None when there is none."""
    text = (host.read_text(environment.pointer) or "").strip()
    return int(text) if len(text) < 9 and _is_number(text) and int(text) in numbers(host, environment) else None


def read_plan(host: Host, environment: EnvironmentLayout, number: int) -> Optional[Plan]:
    """The plan of a generation; None when it can't be read (an older dreamboot's, cut short, or overwritten)."""
    import json

    from dreamboot.values import from_json

    try:
        return from_json(Plan, json.loads(host.read_text(environment.generation(number).plan) or ""))
    except (ValueError, RecursionError):
        return None


def read_plan_id(host: Host, environment: EnvironmentLayout, number: int) -> str:
    """The id of a generation's plan; "" when it can't be read."""
    import json

    try:
        return plan_id(json.loads(host.read_text(environment.generation(number).plan) or ""))
    except (ValueError, KeyError, TypeError, RecursionError):
        return ""


def is_complete(host: Host, environment: EnvironmentLayout, number: int) -> bool:
    """Whether it was verified, and its interpreter is still there: whether it could be switched to."""
    generation = environment.generation(number)
    return "Verify" in done_steps(host, generation) and host.exists(generation.python(host.system))


def list_generations(host: Host, environment: EnvironmentLayout) -> Tuple[Generation, ...]:
    """All generations with their state, oldest first."""
    current = current_number(host, environment)
    found = []
    for number in numbers(host, environment):
        plan = read_plan(host, environment, number)
        found.append(
            Generation(
                number=number,
                complete=is_complete(host, environment, number),
                current=number == current,
                plan_id=plan.id if plan else "",
                torch=plan.torch.local_version if plan else "",
            )
        )
    return tuple(found)


def in_use(host: Host, layout: Layout, name: str) -> Optional[Environment]:
    """The environment `name` as it would be run now."""
    environment = layout.environment(name)
    number = current_number(host, environment)
    if number is None:
        return None
    return Environment(
        name=name,
        root=str(environment.root),
        generation=number,
        python=str(environment.generation(number).python(host.system)),
        plan_id=read_plan_id(host, environment, number),
    )


def _instead(host: Host, layout: Layout, name: str) -> str:
    if numbers(host, layout.environment(name)):
        return "Its build was begun and is not finished."
    others = [other for other in sorted(host.list_dir(layout.environments)) if in_use(host, layout, other)]
    return (
        f"Those that were built: {', '.join(others)}." if others else f"Nothing was built under {layout.environments}."
    )


def require(host: Host, layout: Layout, name: str) -> Environment:
    """The environment `name`; raises `DreambootError` with the command that makes it."""
    environment = in_use(host, layout, name)
    if environment is None:
        raise DreambootError(
            Problem(
                id="environment-missing",
                what=f"There is no environment named {name}.",
                cause=_instead(host, layout, name),
                hint="dreamboot build --yes" + ("" if name == "default" else f" --env {name}"),
            )
        )
    return environment


def switch(host: Host, environment: EnvironmentLayout, number: int) -> None:
    """Make `number` the generation in use, atomically."""
    host.point(environment.pointer, str(number))


TRASH = ".removed-"


def discard(host: Host, environment: EnvironmentLayout, number: int) -> None:
    """Remove a generation. It is renamed first: one that is half removed can't be taken for a usable one."""
    aside = environment.generations / f"{TRASH}{number}"
    host.remove(aside)
    host.move(environment.generation(number).path, aside)
    host.remove(aside)


def empty_trash(host: Host, environment: EnvironmentLayout) -> None:
    """Remove what an interrupted removal, or a pointer that was being written, left. Under the environment's lock."""
    for name in host.list_dir(environment.root):
        if name.startswith("."):
            host.remove(environment.root / name)
    for name in host.list_dir(environment.generations):
        if name.startswith(TRASH):
            host.remove(environment.generations / name)
