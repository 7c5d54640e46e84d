"""Environments that were built: list, show, compare, roll back, repair, remove, collect garbage."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any, ContextManager, Dict, Iterator, List, Optional, Sequence, Set, Tuple, Union

from dreamboot.app.context import Context
from dreamboot.app.environment import order_for
from dreamboot.building import generations, journal, pylock
from dreamboot.building.build import build, only_builder
from dreamboot.building.layout import EnvironmentLayout, Layout
from dreamboot.building.steps import describe, steps
from dreamboot.model import DreambootError, Event, EventKind, ExitCode, Problem, Report
from dreamboot.values import to_json


def list_environments(context: Context) -> Iterator[Union[Event, Report]]:
    """All environments with their generations."""
    layout = Layout(home=context.home)
    found = []
    for name in _names(context):
        entries = generations.list_generations(context.host, layout.environment(name))
        found.append({"name": name, "generations": to_json(entries)})
    yield Report(command="env", data={"schema": 1, "environments": found})


def _names(context: Context) -> List[str]:
    """All environments: the folders of envs/; other things that lie there are none of ours."""
    envs = Layout(home=context.home).environments
    return [name for name in context.host.list_dir(envs) if context.host.is_dir(envs / name)]


def show(context: Context, name: str) -> Iterator[Union[Event, Report]]:
    """One environment: path, plan, packages, how long each step took."""
    layout = Layout(home=context.home)
    built = generations.require(context.host, layout, name)
    environment = layout.environment(name)
    generation = environment.generation(built.generation)
    plan = generations.read_plan(context.host, environment, built.generation)
    data: Dict[str, Any] = {
        "schema": 1,
        "environment": to_json(built),
        "path": built.path,
        "plan": to_json(plan) if plan else None,
        "packages": locked_versions(context, environment, built.generation),
        "seconds": journal.durations(context.host, generation),
        "generations": to_json(generations.list_generations(context.host, environment)),
    }
    yield Report(command="env", data=data)


def locked_versions(context: Context, environment: EnvironmentLayout, number: int) -> Dict[str, str]:
    """Name → version of everything that a generation's lock names."""
    return pylock.versions(context.host.read_text(environment.generation(number).pylock) or "")


def diff(context: Context, one: str, other: str) -> Iterator[Union[Event, Report]]:
    """What changed between two environments, or two generations written NAME@N."""
    left, right = (_versions_of(context, name) for name in (one, other))
    changed = {
        name: {"from": left.get(name), "to": right.get(name)}
        for name in sorted({*left, *right})
        if left.get(name) != right.get(name)
    }
    yield Report(command="env", data={"schema": 1, "from": one, "to": other, "changed": changed})


def _versions_of(context: Context, name: str) -> Dict[str, str]:
    environment, number = find(context, name)
    return locked_versions(context, environment, number)


def find(context: Context, name: str) -> Tuple[EnvironmentLayout, int]:
    """ "default" (the generation in use) or "default@3"; raises `DreambootError` when it is not there."""
    layout = Layout(home=context.home)
    base, _, digits = name.partition("@")
    environment = layout.environment(base)
    if not digits:
        return environment, generations.require(context.host, layout, base).generation
    if not digits.isdigit() or int(digits) not in generations.numbers(context.host, environment):
        known = ", ".join(str(number) for number in generations.numbers(context.host, environment)) or "none"
        raise DreambootError(
            Problem(
                id="generation-missing",
                what=f"The environment {base} has no generation {digits}.",
                cause=f"It has: {known}.",
                hint="dreamboot env list",
            )
        )
    return environment, int(digits)


def rollback(context: Context, name: str, number: Optional[int]) -> Iterator[Union[Event, Report]]:
    """Use an earlier complete generation again: the newest before the one in use, or `number`."""
    environment = Layout(home=context.home).environment(name)
    _require_there(context, environment)
    with _alone(context, environment, "rollback"):
        known = generations.list_generations(context.host, environment)
        current = generations.current_number(context.host, environment)
        complete = [entry.number for entry in known if entry.complete]
        # Without a readable pointer there is no "before": the newest is the one that was in use.
        earlier = [entry for entry in complete if current is None or entry < current]
        target = number if number is not None else (earlier[-1] if earlier else None)
        if target is None or target not in complete:
            raise DreambootError(
                Problem(
                    id="nothing-to-roll-back",
                    what=f"The environment {name} has no earlier build to go back to.",
                    cause=_standing(current, complete),
                    hint="dreamboot env list",
                )
            )
        generations.switch(context.host, environment, target)
    message = f"{name}: generation {target} is in use (before: {current})"
    yield Report(command="env", data={"schema": 1, "from": current, "to": target}, messages=(message,))


def remove(context: Context, name: str) -> Iterator[Union[Event, Report]]:
    """Remove an environment with all generations; models and runs stay."""
    environment = Layout(home=context.home).environment(name)
    _require_there(context, environment)
    if not context.dry_run and not context.confirm(f"Remove the environment {name}? Models and runs stay."):
        yield _not_agreed(f"dreamboot env remove {name} --yes")
        return
    with _alone(context, environment, "remove"):
        # The pointer goes first: a removal that is cut short leaves nothing that looks usable.
        context.host.remove(environment.pointer)
        for number in generations.numbers(context.host, environment):
            generations.discard(context.host, environment, number)
    context.host.remove(environment.root)
    yield Report(command="env", data={"schema": 1, "removed": name}, messages=(f"Removed {name}.",))


def _alone(context: Context, environment: EnvironmentLayout, doing: str) -> ContextManager[None]:
    """Nobody builds there meanwhile; a dry run changes nothing, and waits for nobody."""
    return contextlib.nullcontext() if context.dry_run else only_builder(environment, f"env {doing}")


def _require_there(context: Context, environment: EnvironmentLayout) -> None:
    # What follows deletes or switches: whoever asks, the folder must lie directly in this home's envs/.
    envs = Layout(home=context.home).environments
    inside = environment.root.parent == envs and environment.name not in ("", ".", "..")
    if not inside or not context.host.is_dir(environment.root):
        raise DreambootError(
            Problem(
                id="environment-missing",
                what=f"There is no environment named {environment.name}.",
                cause=f"{environment.root} does not exist." if inside else "That is no folder of dreamboot's home.",
                hint="dreamboot env list",
            )
        )


def _not_agreed(command: str) -> Report:
    problem = Problem(id="not-confirmed", what="Nothing was changed.", cause="It was not confirmed.", hint=command)
    return Report(command="env", data={"schema": 1, "problem": to_json(problem)}, exit_code=ExitCode.REFUSED,
                  problem=problem)  # fmt: skip


def repair(context: Context, name: str) -> Iterator[Union[Event, Report]]:
    """Build the environment's own plan and lock again as a new generation, and switch to it."""
    layout = Layout(home=context.home)
    environment, number = find(context, name)
    plan = generations.read_plan(context.host, environment, number)
    lock = context.host.read_text(environment.generation(number).pylock)
    if plan is None or lock is None or not pylock.versions(lock):
        raise DreambootError(
            Problem(
                id="environment-unreadable",
                what=f"The environment {name} can't be built again from its own records.",
                cause="Its plan.json or pylock.toml is missing or damaged.",
                hint="dreamboot build --yes" + ("" if environment.name == "default" else f" --env {environment.name}"),
            )
        )
    order = order_for(context, plan, environment.name, locked=lock, again=True)
    if context.dry_run:
        todo = tuple(describe(step) for step in steps(plan, order.requirements))
        yield Report(command="env", data={"schema": 1, "steps": list(todo)}, messages=todo)
        return
    yield from build(context.host, layout, order)
    yield Report(
        command="env",
        data={"schema": 1, "environment": to_json(generations.require(context.host, layout, environment.name))},
        messages=(f"{environment.name} was built again from its lock.",),
    )


def collect_garbage(context: Context, keep: int = 2) -> Iterator[Union[Event, Report]]:
    """Remove all but the newest `keep` complete generations of each environment, and wheels that no lock names."""
    layout = Layout(home=context.home)
    environments = [layout.environment(name) for name in _names(context)]
    freed: List[Path] = []
    named: Set[str] = set()
    with contextlib.ExitStack() as held:
        for environment in environments:
            held.enter_context(_alone(context, environment, "gc"))
        for environment in environments:
            generations.empty_trash(context.host, environment)  # what an interrupted removal left
            entries = generations.list_generations(context.host, environment)
            kept = _kept(entries, keep)
            for entry in entries:
                if entry.number in kept:
                    named |= _locked_hashes(context, environment, entry.number)
                else:
                    generations.discard(context.host, environment, entry.number)
                    freed.append(environment.generation(entry.number).path)
        # Still under the locks: no build fetches meanwhile.
        for prefix in context.host.list_dir(layout.wheels):
            for sha256 in set(context.host.list_dir(layout.wheels / prefix)) - named:
                context.host.remove(layout.wheels / prefix / sha256)
                freed.append(layout.wheels / prefix / sha256)
    yield Event(kind=EventKind.LINE, stage="gc", message=f"{len(freed)} folders")
    yield Report(command="env", data={"schema": 1, "removed": [str(path) for path in sorted(freed)]},
                 messages=(f"Removed {len(freed)} folders.",))  # fmt: skip


def _kept(entries: Tuple[generations.Generation, ...], keep: int) -> Set[int]:
    """The one in use and the newest complete ones, `keep` in all, at least one."""
    newest = sorted((entry.current, entry.number) for entry in entries if entry.complete or entry.current)
    return {number for _, number in newest[-max(1, keep) :]}


def _locked_hashes(context: Context, environment: EnvironmentLayout, number: int) -> set[str]:
    generation = environment.generation(number)
    texts = (context.host.read_text(path) or "" for path in (generation.pylock, generation.patches_pylock))
    return {sha256 for text in texts for sha256 in pylock.hashes(text)}


def _standing(current: Optional[int], complete: Sequence[int]) -> str:
    """Which builds there are, in words."""
    if not complete:
        return "None was finished yet."
    return f"Finished are the builds {', '.join(map(str, complete))}; in use is {current or 'none of them'}."
