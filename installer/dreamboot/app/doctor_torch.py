"""A wrong torch is replaced by the build that the planner chooses for this machine: anew, or in place by uv."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Generator, List, Optional, Sequence, Tuple

from dreamboot.app.context import Context
from dreamboot.app.environment import machine_with_sources, order_for, with_patches
from dreamboot.building import generations
from dreamboot.building.layout import Layout
from dreamboot.doctor.check import COMPANIONS, TORCH
from dreamboot.doctor.companions import NAMES, local_version, mismatch
from dreamboot.doctor.facts.values import Facts, Target
from dreamboot.doctor.repair import Steps, variables_of
from dreamboot.host.base import ProgramFailed
from dreamboot.model import (
    Cost,
    DreambootError,
    Event,
    EventKind,
    Finding,
    FixStep,
    Plan,
    Python,
    Refusal,
    SourceKind,
    Wish,
)
from dreamboot.values import value


@value
class Replacement:
    """How torch is to be replaced. `environment`: ours of that name, "" for a foreign one; `refused`: why not.

    `kept`: torch stays, only what is compiled for it is exchanged.
    """

    plan: Optional[Plan] = None
    environment: str = ""
    requirements: Tuple[str, ...] = ()
    refused: str = ""
    kept: bool = False

    @property
    def exchanged(self) -> Tuple[str, ...]:
        """The packages that are installed anew."""
        names = tuple(text.partition("==")[0] for text in self.requirements)
        return tuple(name for name in names if name != "torch") if self.kept else names

    def step(self, target: Target) -> FixStep:
        """As it is shown. Automatic only where there is a build to take."""
        if self.plan is None:
            return FixStep(command="dreamboot plan", changes=f"nothing; torch stays as it is: {self.refused}")
        source = f"torch {self.plan.torch.local_version} from {self.plan.torch.source.value}"
        if self.environment:
            return FixStep(
                command=f"dreamboot build --env {self.environment}",
                changes=f"builds a new generation with {source}; dreamboot env rollback {self.environment} goes back",
                automatic=True,
                arguments=(TORCH,),
            )
        again = " ".join(f"--reinstall-package {name}" for name in self.exchanged)
        changes = f"replaces torch by the build for this machine: {source}"
        if self.kept:
            changes = f"installs {' and '.join(self.exchanged)} for the torch that is there: {source}"
        return FixStep(
            command=f"uv pip install --python {target.python} {again} {' '.join(self.requirements)}",
            changes=changes,
            automatic=True,
            arguments=(TORCH,),
        )


def concrete(
    context: Context, facts: Facts, steps: Steps
) -> Generator[Event, None, Tuple[Steps, Optional[Replacement]]]:
    """The steps with what "another torch" means here. Plans only where a step asks for it: that asks the network."""
    asked = {step.arguments[0] for _, step in steps if step.arguments[:1] in ((TORCH,), (COMPANIONS,))}
    if not asked:
        return steps, None
    yield Event(kind=EventKind.STARTED, stage="plan", message="which torch fits this machine")
    # Another torch brings its companions along.
    replacement = replacement_for(context, facts, companions_only=TORCH not in asked)
    yield Event(kind=EventKind.FINISHED, stage="plan")
    found: List[Tuple[Finding, FixStep]] = []
    for finding, step in steps:
        taken = replacement.step(facts.target) if step.arguments[:1] in ((TORCH,), (COMPANIONS,)) else step
        if taken.command not in [one.command for _, one in found]:
            found.append((finding, taken))
    return found, replacement


def replacement_for(context: Context, facts: Facts, *, companions_only: bool = False) -> Replacement:
    """The plan of this machine for the environment's own Python; the same release where a build of it fits.

    `companions_only`: torch stays in a foreign environment; the plan with the build that is there tells the source.
    """
    from dreamboot import catalog, planning

    target, torch = facts.target, facts.torch
    own = environment_of(context, target)
    kept = companions_only and not own
    machine = machine_with_sources(context)
    if not own:
        machine = replace(machine, pythons=(Python(path=target.python, version=target.version),))
    # The same release first: what else is installed was made for it. Ours is planned as a whole.
    wishes = [Wish(pins=(f"torch=={torch.release}",)), Wish()] if torch is not None and not own else [Wish()]
    decisions = [planning.plan(machine, wish, catalog.load()) for wish in (wishes[:1] if kept else wishes)]
    anew = bool(own) and companions_only
    plan = next((one for one in decisions if isinstance(one, Plan) and (anew or _same(one, facts) is kept)), None)
    if plan is None:
        last = decisions[-1]
        why = f"{last.problem.what} {last.problem.cause}" if isinstance(last, Refusal) else _no_better(last, kept=kept)
        return Replacement(refused=why)
    plan = with_patches(context, machine, plan)
    needed = () if own else requirements(plan, facts, kept=kept)
    if kept and len(needed) < 2:
        return Replacement(refused=f"no torchvision or torchaudio is known for torch {plan.torch.version}.")
    return Replacement(plan=plan, environment=own, requirements=needed, kept=kept)


def _same(plan: Plan, facts: Facts) -> bool:
    """Whether it has the very build that is there."""
    return facts.torch is not None and (plan.torch.version, plan.torch.tag) == (facts.torch.release, facts.torch.tag)


def _no_better(plan: Plan, *, kept: bool) -> str:
    if kept:
        return f"the plan for this machine has torch {plan.torch.local_version}, not the build that is there."
    return f"torch {plan.torch.local_version} is the plan for this machine. " + " ".join(plan.warnings)


def requirements(plan: Plan, facts: Facts, *, kept: bool = False) -> Tuple[str, ...]:
    """torch with its local version, so that no other build can take its place, and the companions that are installed.

    `kept`: of these only the ones that do not fit.
    """
    from dreamboot import catalog

    found = [f"torch=={plan.torch.local_version}"]
    row = catalog.load().release(plan.torch.version)
    # A folder of wheels need not hold them; where nothing else is asked for, it is tried.
    if row is None or not (kept or plan.torch.source in (SourceKind.PYTORCH_INDEX, SourceKind.DEFAULT_INDEX)):
        return tuple(found)
    local = f"+{plan.torch.tag}" if plan.torch.source is SourceKind.PYTORCH_INDEX else ""
    # The package index has another build of the same release, which does not load beside this torch.
    local = local_version(facts) if kept else local
    for name, release in zip(NAMES, (row.torchvision, row.torchaudio)):
        if release and facts.version(name) and (not kept or mismatch(facts, name)):
            found.append(f"{name}=={release}{local}")
    return tuple(found)


def environment_of(context: Context, target: Target) -> str:
    """The name of our environment that `target` is a generation of; "" for every other Python."""
    layout = Layout(home=context.home)
    for name in context.host.list_dir(layout.environments):
        used = generations.in_use(context.host, layout, name)
        if used is not None and Path(used.root) in Path(target.prefix).parents:
            return name
    return ""


def take_torch(context: Context, target: Target, chosen: Replacement) -> Generator[Event, None, str]:
    """Replace it; returns why that failed, "" when it did not. A failed build leaves the generation in use."""
    assert chosen.plan is not None  # noqa: S101 - only automatic steps are taken
    order = order_for(context, chosen.plan, chosen.environment)
    try:
        if chosen.environment:
            from dreamboot.building.build import build

            again = replace(order, again=True, elsewhere=context.assume is not None)
            yield from build(context.host, Layout(home=context.home), again)
            return ""
        if not chosen.kept:
            _room(context, target, chosen.plan.cost)
        for line in context.host.stream(_uv(target, chosen, order.sources, offline=context.offline),
                                        env={**variables_of(context.host), **order.secrets}):  # fmt: skip
            yield Event(kind=EventKind.LINE, stage="fix", message=line)
    except ProgramFailed as failed:
        return "; ".join(failed.tail[-3:])
    except DreambootError as failed:
        return f"{failed.problem.what} {failed.problem.cause}"
    return ""


def _room(context: Context, target: Target, cost: Cost) -> None:
    """Raises `DreambootError` where there is no room for another torch beside the old one, which is the way back."""
    from dreamboot.building.space import Need, require_space

    wanted = (cost.download_bytes or 0) + (cost.disk_bytes or 0)
    require_space(context.host, [Need(path=Path(target.prefix), purpose="the packages", bytes=wanted)])


def _uv(target: Target, chosen: Replacement, sources: Sequence[str], *, offline: bool) -> List[str]:
    from dreamboot.building.uv import uv_binary

    return [
        uv_binary(), "pip", "install", "--python", target.python, "--only-binary", ":all:",
        *(word for name in chosen.exchanged for word in ("--reinstall-package", name)), *sources,
        *(("--offline",) if offline else ()), *chosen.requirements,
    ]  # fmt: skip
