"""Build: machine and wish become a plan, the plan an environment."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Generator, Iterator, Optional, Tuple, Union

from dreamboot.app.context import Context
from dreamboot.app.environment import machine_with_sources, order_for, with_patches, without_logins
from dreamboot.app.next_source import from_next_source
from dreamboot.building import generations
from dreamboot.building.build import build as run_build
from dreamboot.building.layout import Layout
from dreamboot.building.order import Order
from dreamboot.building.steps import describe, steps
from dreamboot.model import (
    DreambootError,
    Event,
    EventKind,
    ExitCode,
    Machine,
    Plan,
    Problem,
    Refusal,
    Report,
    Wish,
)  # fmt: skip
from dreamboot.values import to_json, value

DEFAULT = "default"


def decide(context: Context, wish: Wish) -> Generator[Event, None, Tuple[Machine, Plan]]:
    """Detect and plan; returns both. Raises `DreambootError` (refused) when nothing fits."""
    from dreamboot import catalog, planning
    from dreamboot.app.image_inside import decide_inside, image_of

    image = image_of(context)
    if image is not None:
        return (yield from decide_inside(context, image, wish))
    yield Event(kind=EventKind.STARTED, stage="detect", message="what this machine is")
    machine = machine_with_sources(context)
    yield Event(kind=EventKind.FINISHED, stage="detect", message=summary(machine))
    decision = planning.plan(machine, without_logins(wish), catalog.load())
    if isinstance(decision, Refusal):
        raise DreambootError(decision.problem, exit_code=ExitCode.REFUSED)
    decision = with_patches(context, machine, decision)
    yield Event(kind=EventKind.STARTED, stage="plan", message=one_line(decision))
    if not decision.patches:
        # Said, because it is a decision: every patch of the shelf was looked at.
        message = "patches: none - these versions need none on this machine"
        yield Event(kind=EventKind.LINE, stage="plan", message=message, data={"important": True})
    for choice in decision.because:
        yield Event(kind=EventKind.LINE, stage="plan", message=f"{choice.topic}: {choice.value} - {choice.reason}")
    for warning in decision.warnings:
        yield Event(kind=EventKind.LINE, stage="plan", message=f"note: {warning}", data={"important": True})
    return machine, decision


@value
class Making:
    """How `build` is to be done. `locked`: a pylock.toml to build from. `output`: where `--lock-only` writes.

    `for_image`: build right here for the stated machine, which is where the image will run.
    """

    extra: Tuple[str, ...] = ()
    locked: Optional[Path] = None
    lock_only: bool = False
    output: Optional[Path] = None
    bandwidth: int = 0
    for_image: bool = False


def build(
    context: Context, wish: Wish, name: str = DEFAULT, making: Optional[Making] = None
) -> Iterator[Union[Event, Report]]:
    """The use case behind `dreamboot build`."""
    making = making or Making()
    locked, held = "", wish
    if making.locked:
        from dreamboot.app.locking import read_lock, with_torch_of

        locked = read_lock(context, making.locked)
        held = with_torch_of(wish, locked)
    machine, plan = yield from decide(context, held)
    if making.lock_only:
        from dreamboot.app.locking import lock_only

        yield from from_next_source(
            context, wish, (machine, plan), lambda chosen: lock_only(context, wish, machine, chosen, making)
        )
        return
    if not making.for_image:
        require_own_machine(context)

    def order_of(chosen: Plan) -> Order:
        made = order_for(context, chosen, name, making.extra, wish=wish, locked=locked, bandwidth=making.bandwidth)
        return replace(made, elsewhere=making.for_image)

    order = order_of(plan)
    if context.dry_run:
        todo = tuple(describe(step) for step in steps(plan, order.requirements))
        yield Report(command="build", data={"schema": 1, "plan": to_json(plan), "steps": list(todo)}, messages=todo)
        return
    if not agreed(context, plan):
        yield declined("build")
        return
    layout = Layout(home=context.home)
    yield from from_next_source(
        context, wish, (machine, plan), lambda chosen: run_build(context.host, layout, order_of(chosen))
    )
    environment = generations.require(context.host, layout, name)
    yield Report(
        command="build",
        data={"schema": 1, "environment": to_json(environment), "path": environment.path},
        messages=(f"Environment {name}: {environment.path}",),
    )


def require_own_machine(context: Context) -> None:
    """A stated machine is another one: it can be locked and bundled for, but not built here."""
    if context.assume is not None and not context.dry_run:
        raise DreambootError(
            Problem(
                id="stated-machine",
                what="An environment for a stated machine can't be built here.",
                cause=f"{context.assume} describes another machine; what is built runs on this one.",
                hint="dreamboot bundle --assume FILE -o DIR   (or: dreamboot build --assume FILE --lock-only)",
            )
        )


def agreed(context: Context, plan: Plan) -> bool:
    """`--yes`, or nobody to ask, or a yes to what it will cost."""
    if not context.interactive:
        return True
    return context.confirm(f"{cost(plan)}\nBuild this environment?", default=True)


def declined(command: str) -> Report:
    """The report of a change that the user did not want."""
    problem = Problem(id="declined", what="Nothing was changed.", cause="You said no.")
    data = {"schema": 1, "declined": True}
    return Report(command=command, data=data, exit_code=ExitCode.REFUSED, problem=problem)


def summary(machine: Machine) -> str:
    """The machine in one line."""
    gpus = ", ".join(gpu.name for gpu in machine.gpus if not gpu.integrated) or "no GPU"
    ram = f"{machine.ram_total_mib / 1024:.0f} GiB RAM" if machine.ram_total_mib else "RAM unknown"
    system = machine.distribution or f"{machine.os} {machine.os_version}".strip()
    return f"{system}, {machine.arch}, {machine.cpu_cores} cores, {ram}, {gpus}"


def one_line(plan: Plan) -> str:
    """The plan in one line."""
    return f"Python {plan.python}, torch {plan.torch.local_version} from {plan.torch.source.value}, {plan.device}"


def cost(plan: Plan) -> str:
    """What a plan will take, in words; unknown parts are left out."""
    parts = []
    if plan.cost.download_bytes:
        parts.append(f"up to {plan.cost.download_bytes / 1e6:.0f} MB to download")
    if plan.cost.disk_bytes:
        parts.append(f"{plan.cost.disk_bytes / 1e9:.1f} GB on disk")
    if plan.cost.seconds:
        parts.append(f"about {max(1, round(plan.cost.seconds / 60))} min")
    return ", ".join(parts)
