"""The planned source of torch turns out to be out of reach: plan again without it, and take the next one."""

from __future__ import annotations

from dataclasses import replace
from typing import Callable, Generator, Iterator, Optional, Tuple, TypeVar
from urllib.parse import urlsplit

from dreamboot.app.context import Context
from dreamboot.app.environment import with_patches, without_logins
from dreamboot.app.explain_failure import with_likely_cause
from dreamboot.model import DreambootError, Event, EventKind, Machine, PackageSource, Plan, Refusal, SourceKind, Wish

Item = TypeVar("Item")
Made = Tuple[Machine, Plan]
REASON = "it did not answer while the packages were resolved"


def from_next_source(
    context: Context, wish: Wish, made: Made, use: Callable[[Plan], Iterator[Item]]
) -> Generator[Item | Event, None, Plan]:
    """What `use` yields for the plan; where its source can't be reached, for the plan without that source.

    Returns the plan that was used. Raises what `use` raises when there is no other source that satisfies the wish,
    with the likely cause where `explain` knows one.
    """
    while True:
        plan = made[1]
        try:
            yield from use(plan)
            return plan
        except DreambootError as error:
            other = plan_without(context, wish, made, error)
            if other is None:
                raise with_likely_cause(error) from error.__cause__
            made = other
            build, source = made[1].torch, plan.torch.url or plan.torch.source.value
            message = (
                f"note: {source} could not be reached, so it was planned again without it: torch "
                f"{build.local_version} from {build.source.value}"
            )
            yield Event(kind=EventKind.LINE, stage="plan", message=message, data={"important": True})


def plan_without(context: Context, wish: Wish, made: Made, error: DreambootError) -> Optional[Made]:
    """The machine and plan without the source that `error` is about; None when it is not about the plan's source.

    A source that was named with --torch-index or --index is what the user wants: no other one is taken in its place.
    """
    machine, plan = made
    named = wish.torch_index if plan.torch.source is SourceKind.PYTORCH_INDEX else ""
    if error.problem.id != "index-unreachable" or named or not _is_about(error, plan):
        return None
    from dreamboot import catalog, planning
    from dreamboot.planning.candidates import sources

    shown = without_logins(wish)
    left = tuple(_closed(source, plan) for source in sources(machine, shown))
    smaller = replace(machine, sources=left)
    decision = planning.plan(smaller, shown, catalog.load())
    if isinstance(decision, Refusal) or (decision.torch.source, decision.torch.url) == (
        plan.torch.source,
        plan.torch.url,
    ):
        return None
    return smaller, with_patches(context, smaller, decision)


def _is_about(error: DreambootError, plan: Plan) -> bool:
    host = urlsplit(plan.torch.url).netloc.rpartition("@")[2]
    return bool(host) and host in error.problem.cause


def _closed(source: PackageSource, plan: Plan) -> PackageSource:
    same = source.kind is plan.torch.source and plan.torch.url.startswith(source.url)
    return replace(source, reachable=False, reason=REASON) if same else source
