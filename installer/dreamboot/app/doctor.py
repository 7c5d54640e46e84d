"""Doctor: examine an environment from outside, say what is wrong, and on request mend it and prove it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, Dict, Generator, Iterator, List, Optional, Sequence, Tuple, Union

from dreamboot.app.context import Context
from dreamboot.doctor.facts.values import Facts, Target
from dreamboot.model import DreambootError, Event, EventKind, ExitCode, Finding, Machine, Problem, Report, Status
from dreamboot.values import to_json, value

RED = (Status.ERROR, Status.CRASHED)
# Probes that ask the network are left out: the doctor must answer in a second, also without one.
DEFAULT_ENVIRONMENT = "default"


@value
class Examination:
    """What the doctor is asked to do. `data`: folders with models or photos to look into as well."""

    python: Optional[Path] = None
    environment: str = ""
    image: str = ""
    data: Tuple[str, ...] = ()
    deep: bool = False
    fix: bool = False
    undo: bool = False
    report: Optional[Path] = None


def doctor(context: Context, asked: Examination) -> Iterator[Union[Event, Report]]:
    """The use case behind `dreamboot doctor`. Raises `DreambootError` when there is nothing to examine."""
    if asked.image:
        from dreamboot.app.doctor_image import examine_image

        yield examine_image(context, asked.image)
        return
    target = target_of(context, asked)
    if asked.undo:
        yield from _undo(context, target)
        return
    if asked.fix:
        asked = _by_name(context, asked, target)
        target = target_of(context, asked)
    facts, findings = _diagnose(context, target, asked)
    fixed: List[Dict[str, Any]] = []
    if asked.fix:
        fixed = yield from _fix(context, asked, facts, findings)
        if not context.dry_run:
            before, (facts, findings) = facts, _diagnose(context, target_of(context, asked), asked)
            fixed, broken = _proven(context, before, facts, findings, fixed)
            findings = findings if asked.deep else worst_first((*findings, *broken))
    if asked.deep:
        # after the repair: what is tried is what is left
        findings = worst_first((*findings, *(yield from _deep(context, facts, findings))))
    data = data_of(facts, findings, fixed)
    if asked.report is not None:
        write_report(context, asked.report, data, facts)
        data["report"] = str(asked.report)
    red = any(finding.status in RED for finding in findings)
    yield Report(command="doctor", data=data, exit_code=ExitCode.PROBLEM if red else ExitCode.DONE)


def worst_first(findings: Sequence[Finding]) -> Tuple[Finding, ...]:
    """In the order in which people want to read them."""
    from dreamboot.doctor.examine import ORDER

    return tuple(sorted(findings, key=lambda one: ORDER.index(one.status)))


def target_of(context: Context, asked: Examination) -> Target:
    """The Python that is meant: named by path or environment, ours, the activated one, or the first on PATH."""
    from dreamboot.building import generations
    from dreamboot.building.layout import Layout
    from dreamboot.doctor.facts.target import resolve

    environ = context.host.environ
    if asked.python is not None:
        return resolve(asked.python, environ)
    layout = Layout(home=context.home)
    if asked.environment:
        return resolve(Path(generations.require(context.host, layout, asked.environment).python), environ)
    ours = generations.in_use(context.host, layout, DEFAULT_ENVIRONMENT)
    if ours is not None:
        return resolve(Path(ours.python), environ)
    for name in ("VIRTUAL_ENV", "CONDA_PREFIX"):
        if environ.get(name):
            return resolve(Path(environ[name]), environ)
    for folder in (Path("venv"), Path(".venv")):
        if context.host.exists(folder / "pyvenv.cfg"):
            return resolve(folder, environ)
    found = context.host.which("python3") or context.host.which("python")
    if found is None:
        raise DreambootError(
            Problem(
                id="no-python",
                what="There is no Python to examine.",
                cause="No environment of dreamboot exists, none is activated, and no python is on PATH.",
                hint="dreamboot doctor --python PATH",
            )
        )
    return resolve(Path(found), environ)


def _diagnose(context: Context, target: Target, asked: Examination) -> Tuple[Facts, Tuple[Finding, ...]]:
    from dreamboot.app.doctor_builds import unfinished_builds
    from dreamboot.doctor import diagnose

    near = str(asked.python) if asked.python is not None and asked.python.is_dir() else "."
    unfinished = unfinished_builds(context)
    return diagnose(context.host, target, lambda: _machine(context), data=asked.data, near=near, unfinished=unfinished)


def _by_name(context: Context, asked: Examination, target: Target) -> Examination:
    """One of ours by its name: its repair is another generation, and that one is to be examined again."""
    from dreamboot.app.doctor_torch import environment_of

    name = environment_of(context, target)
    return replace(asked, python=None, environment=name) if name else asked


def _machine(context: Context) -> Machine:
    from dreamboot import machine

    if context.assume is not None:
        return machine.assume(context.assume)
    return machine.detect(context.host, context.home, network=False)


def data_of(facts: Facts, findings: Sequence[Finding], fixed: Sequence[Dict[str, Any]] = ()) -> Dict[str, Any]:
    """The promised document: `findings` worst first; `python` first for people."""
    torch = facts.torch
    data: Dict[str, Any] = {
        "schema": 1,
        "python": {
            "path": facts.target.python,
            "version": facts.target.version,
            "kind": facts.target.kind,
            "torch": f"{torch.version}" if torch else "",
            "torch_from": torch.site if torch else "",
            "started_by": facts.launcher.path_python,
        },
        "findings": [to_json(finding) for finding in findings],
    }
    if fixed:
        data["fixed"] = list(fixed)
    return data


def _green(name: str, findings: Sequence[Finding]) -> bool:
    return all(one.status not in (*RED, Status.WARNING, Status.SKIPPED) for one in findings if one.id == name)


def _deep(context: Context, facts: Facts, findings: Sequence[Finding]) -> Generator[Event, None, Tuple[Finding, ...]]:
    from dreamboot.app.doctor_trial import try_training
    from dreamboot.doctor.deep import run_deep

    yield Event(
        kind=EventKind.STARTED, stage="deep", message="importing packages and computing, each in a process of its own"
    )
    found = run_deep(context.host, facts, findings)
    yield Event(kind=EventKind.LINE, stage="deep", message="training one step of the demo model")
    trial = try_training(context, facts, (*findings, *found))
    yield Event(kind=EventKind.FINISHED, stage="deep")
    return (*found, trial)


def _fix(
    context: Context, asked: Examination, facts: Facts, findings: Sequence[Finding]
) -> Generator[Event, None, List[Dict[str, Any]]]:
    """Show, ask, snapshot, act. What is not automatic is only shown."""
    from dreamboot.app.doctor_torch import concrete, take_torch
    from dreamboot.doctor import repair
    from dreamboot.doctor.check import TORCH

    target = facts.target
    steps, torch = yield from concrete(context, facts, repair.steps_of(findings, target))
    if not steps:
        return []
    for finding, step in steps:
        yield Event(
            kind=EventKind.LINE,
            stage="fix",
            message=f"{finding.id}: {step.command}   ({step.changes})",
            data={"important": True},
        )
    shown = [
        {"id": finding.id, "command": step.command, "changes": step.changes, "done": False} for finding, step in steps
    ]
    if context.dry_run or not any(step.automatic for _, step in steps):
        return shown
    if not context.confirm(f"Take these {len(steps)} steps in {target.prefix}?"):
        return shown
    snapshot = repair.take_snapshot(context.host, context.home, target)
    yield Event(kind=EventKind.LINE, stage="fix", message=f"kept as it was: {snapshot}", data={"important": True})
    done = []
    rounds = 0
    while steps and rounds < repair.ROUNDS:
        rounds += 1
        # The right torch first: what seems not to fit the wrong one may be in order with it.
        for finding, step in [one for one in steps if one[1].arguments == (TORCH,)] or steps:
            if torch is not None and step.arguments == (TORCH,):
                failed = yield from take_torch(context, target, torch)
            elif step.automatic:
                failed = yield from repair.take(context.host, target, step, snapshot, offline=context.offline)
            else:
                failed = step.changes
            done.append({"id": finding.id, "command": step.command, "done": not failed, "failed": failed})
        taken = {entry["command"] for entry in done}
        facts, findings = _diagnose(context, target_of(context, asked), asked)
        if facts.target.prefix != target.prefix:
            # a new generation: what is still done to it must have its own way back
            snapshot = repair.take_snapshot(context.host, context.home, facts.target)
        target = facts.target
        # what was hidden behind the first cause shows itself now
        steps, torch = yield from concrete(context, facts, repair.steps_of(findings, target))
        steps = [(finding, step) for finding, step in steps if step.command not in taken]
    return done


def _proven(
    context: Context, before: Facts, after: Facts, findings: Sequence[Finding], fixed: Sequence[Dict[str, Any]]
) -> Tuple[List[Dict[str, Any]], Tuple[Finding, ...]]:
    """The entries with whether their check is green now and what they installed can be imported; imports that fail.

    What is read of a compiled package may fit and the package not load all the same: only its import proves it.
    """
    from dreamboot.doctor.deep import imports_after

    done = [entry["command"] for entry in fixed if entry["done"]]
    works = any(one.id == "python-works" and one.status not in RED for one in findings)
    found = imports_after(context.host, before, after, done) if done and works else {}
    broken = {name: one for name, one in found.items() if one.status in RED}
    told = []
    for entry in fixed:
        loads = not any(name in entry["command"] for name in broken)
        told.append({**entry, "proven": loads and _green(entry["id"], findings)})
    return told, tuple(broken.values())


def _undo(context: Context, target: Target) -> Iterator[Union[Event, Report]]:
    from dreamboot.doctor import repair

    restored = repair.undo(context.host, context.home, target)
    yield Report(
        command="doctor",
        data={"schema": 1, "findings": [], "restored": restored},
        messages=(f"Restored from {restored}.",),
    )


def write_report(context: Context, path: Path, data: Dict[str, Any], facts: Facts) -> None:
    """A zip for support: findings and facts, with names, folders and tokens taken out."""
    import json
    import platform
    import zipfile

    from dreamboot.doctor.redact import redacted_data

    if context.dry_run:
        context.host.write_text(path, "")
        return
    environ = context.host.environ
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in (("findings.json", data), ("facts.json", to_json(facts))):
            archive.writestr(name, json.dumps(redacted_data(content, environ, platform.node()), indent=1))
