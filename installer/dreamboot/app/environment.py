"""What use cases share about environments: orders for the builder, the plan of the one in use."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Dict, Optional, Sequence, Tuple

from dreamboot.app.context import Context
from dreamboot.building import generations
from dreamboot.building.access import HIDDEN, Access, split_login
from dreamboot.building.layout import Layout
from dreamboot.building.order import Order
from dreamboot.building.sources import sources
from dreamboot.building.target import Target, target_here
from dreamboot.model import Choice, DreambootError, Environment, Machine, Plan, Problem, Wish

if TYPE_CHECKING:
    from dreamboot.machine.index import RawIndexes


def order_for(
    context: Context, plan: Plan, name: str, extra: Sequence[str] = (), *, wish: Optional[Wish] = None,
    locked: str = "", again: bool = False, target: Optional[Target] = None, bandwidth: int = 0,
) -> Order:  # fmt: skip
    """The builder's order: the plan, and how this machine reaches its package sources (with credentials).

    `wish` brings --index and --torch-index as they were typed; `target` another platform to lock for.
    """
    from dreamboot.machine import index
    from dreamboot.planning.uv_arguments import constraint_lines, resolver_arguments

    raw = index.raw(context.host)
    if wish is not None and wish.index:
        raw = replace(raw, index_url=wish.index)
    locked = locked or ("" if extra or target else bundled_lock(context, plan))
    found = sources(context.host, _with_logins(resolver_arguments(plan, raw), raw, wish))
    return Order(
        plan=plan,
        name=name,
        sources=found.arguments,
        secrets=found.variables,
        access=Access(
            certificate=raw.certificate,
            client_certificate=raw.client_certificate,
            proxy=raw.proxy,
            trusted_hosts=tuple(raw.trusted_hosts),
            logins=found.logins,
            bandwidth=bandwidth,
            timeout=raw.timeout,
        ),
        target=target or target_here(plan),
        constraints=tuple(line for line in constraint_lines(raw) if split_login(line)[0] == line),
        extra=tuple(extra),
        offline=context.offline,
        locked=locked,
        again=again,
    )


def bundled_lock(context: Context, plan: Plan) -> str:
    """The lock of the bundle that this call was started with (`bootstrap.py --offline DIR`), when it is the plan's."""
    folder = context.host.environ.get("DREAMBOOT_BUNDLE", "")
    if not folder:
        return ""
    from dreamboot.building import pylock

    text = context.host.read_text(Path(folder) / "pylock.toml")
    if text is None or plan.profile != _profile_of(context, Path(folder)):
        return ""
    version = pylock.versions(text).get("torch", "")
    same = version.partition("+")[0] == plan.torch.version
    return pylock.with_absolute_paths(text, Path(folder).absolute()) if same else ""


def _profile_of(context: Context, folder: Path) -> str:
    try:
        return str(json.loads(context.host.read_text(folder / "plan.json") or "").get("profile", ""))
    except (ValueError, AttributeError):
        return ""


def machine_with_sources(context: Context) -> Machine:
    """The machine to plan for; a stated one that states no package sources is given this machine's own.

    It is from here that its packages are fetched.
    """
    machine = context.machine()
    stated = any(source.reachable is not None or source.torch_wheels for source in machine.sources)
    if context.assume is None or stated:
        return machine
    from dreamboot.machine import detect

    here = detect(context.host, context.home, network=not context.offline)
    return replace(machine, sources=here.sources, indexes=here.indexes)


def with_patches(context: Context, machine: Machine, plan: Plan) -> Plan:
    """The plan with the patches of the shelf that are for its versions on this machine, and why."""
    from dreamboot.patching import applicable, facts_of, names_of, shelf

    versions = {**plan.packages, "torch": f"=={plan.torch.version}"}
    verdicts = applicable(facts_of(machine, versions), shelf(context.host))
    reasons = tuple(
        Choice(topic="patch", value=entry.patch.name, reason=entry.patch.description)
        for entry in verdicts
        if entry.applies
    )
    return replace(plan, patches=names_of(verdicts), because=(*plan.because, *reasons))


def without_logins(wish: Wish) -> Wish:
    """The wish as a plan may show and store it."""
    return replace(wish, torch_index=split_login(wish.torch_index)[0], index=split_login(wish.index)[0])


def _with_logins(arguments: Sequence[str], raw: RawIndexes, wish: Optional[Wish]) -> Tuple[str, ...]:
    """The plan's URLs carry no logins; those that were configured or typed for the same host are put back."""
    typed = (wish.torch_index, wish.index) if wish is not None else ()
    logins: Dict[str, str] = {}
    for url in (*typed, raw.index_url, *raw.extra_index_urls, *raw.find_links):
        plain, login = split_login(url)
        if login.user:
            logins.setdefault(login.host, url[: url.rindex(login.host)].partition("://")[2])
    words = []
    for word in arguments:
        plain, login = split_login(word)
        before = logins.get(login.host, "") if "://" in word and login.user in ("", HIDDEN) else ""
        words.append(plain.replace("://", f"://{before}", 1) if before else word)
    return tuple(words)


def plan_of(context: Context, environment: Environment) -> Plan:
    """The plan that an environment was built from; raises `DreambootError` when it can't be read."""
    layout = Layout(home=context.home).environment(environment.name)
    plan = generations.read_plan(context.host, layout, environment.generation)
    if plan is None:
        raise DreambootError(
            Problem(
                id="environment-unreadable",
                what=f"The environment {environment.name} has no readable plan.",
                cause=f"{layout.generation(environment.generation).plan} is missing or of another version.",
                hint="dreamboot build --yes",
            )
        )
    return plan
