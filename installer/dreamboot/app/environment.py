"""What use cases share about environments: orders for the builder, the plan of the one in use."""

from __future__ import annotations

from typing import Sequence

from dreamboot.app.context import Context
from dreamboot.building import generations
from dreamboot.building.fetch import Access
from dreamboot.building.layout import Layout
from dreamboot.building.order import Order
from dreamboot.model import DreambootError, Environment, Plan, Problem


def order_for(
    context: Context, plan: Plan, name: str, extra: Sequence[str] = (), *, locked: str = "", again: bool = False
) -> Order:
    """The builder's order: the plan, and how this machine reaches its package sources (with credentials)."""
    from dreamboot.machine import index
    from dreamboot.planning.uv_arguments import resolver_arguments

    raw = index.raw(context.host)
    return Order(
        plan=plan,
        name=name,
        sources=resolver_arguments(plan, raw),
        access=Access(
            certificate=raw.certificate,
            client_certificate=raw.client_certificate,
            proxy=raw.proxy,
            trusted_hosts=tuple(raw.trusted_hosts),
        ),
        extra=tuple(extra),
        offline=context.offline,
        locked=locked,
        again=again,
    )


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
