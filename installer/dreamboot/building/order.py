"""What is to be built and where: the two values that every step is given."""

from __future__ import annotations

from dataclasses import field
from typing import TYPE_CHECKING, Mapping, Tuple

from dreamboot.building.access import Access
from dreamboot.building.layout import EnvironmentLayout, GenerationLayout, Layout
from dreamboot.building.lock import Resolver, requirement_lines
from dreamboot.building.target import Target
from dreamboot.host import Host
from dreamboot.model import Plan
from dreamboot.values import value

if TYPE_CHECKING:
    from dreamboot.building.unpack import Unpacker


@value
class Order:
    """What is to be built, and how packages are reached.

    `sources`: uv arguments without secrets; `secrets`: the variables that go with them. `constraints`: requirement
    lines that hold for everything. `extra`: more requirements. `locked`: the text of a pylock.toml to build from
    instead of resolving. `elsewhere`: it will run on another machine (an image): the trial step is done on the CPU.
    `again`: build even when the environment in use is already this one, from freshly unpacked
    wheels.
    """

    plan: Plan
    name: str
    sources: Tuple[str, ...]
    access: Access
    target: Target
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)
    constraints: Tuple[str, ...] = ()
    extra: Tuple[str, ...] = ()
    offline: bool = False
    locked: str = ""
    again: bool = False
    elsewhere: bool = False

    @property
    def requirements(self) -> Tuple[str, ...]:
        """What the resolver is asked for."""
        return requirement_lines(self.plan, self.extra)


@value
class Site:
    """Where one build happens. `variables`: those of uv. `unpacker`: works beside the steps."""

    host: Host
    layout: Layout
    environment: EnvironmentLayout
    generation: GenerationLayout
    order: Order
    resolver: Resolver
    unpacker: Unpacker

    @property
    def variables(self) -> Mapping[str, str]:
        """The environment that uv runs in."""
        return self.resolver.variables
