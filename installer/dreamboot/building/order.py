"""What is to be built and where: the two values that every step is given."""

from __future__ import annotations

from typing import Mapping, Tuple

from dreamboot.building import lock
from dreamboot.building.fetch import Access
from dreamboot.building.layout import EnvironmentLayout, GenerationLayout, Layout
from dreamboot.host import Host
from dreamboot.model import Plan
from dreamboot.values import value


@value
class Order:
    """What is to be built, and how packages are reached.

    `sources`: uv arguments. `extra`: more requirements. `locked`: the text of a pylock.toml to build from instead of
    resolving. `again`: build even when the environment in use is already this one.
    """

    plan: Plan
    name: str
    sources: Tuple[str, ...]
    access: Access
    extra: Tuple[str, ...] = ()
    offline: bool = False
    locked: str = ""
    again: bool = False

    @property
    def requirements(self) -> Tuple[str, ...]:
        """What the resolver is asked for."""
        return lock.requirement_lines(self.plan, self.extra)


@value
class Site:
    """Where one build happens."""

    host: Host
    layout: Layout
    environment: EnvironmentLayout
    generation: GenerationLayout
    order: Order
    variables: Mapping[str, str]
