"""Patches of one environment: list, verify, apply, take back."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import sys
from pathlib import Path
from typing import Any, Dict, Generator, Iterator, List, Optional, Sequence, Tuple, Union

from dreamboot import patching
from dreamboot.app.context import Context
from dreamboot.building.uv import clean_environment
from dreamboot.host import Host
from dreamboot.model import DreambootError, Event, EventKind, ExitCode, Problem, Report
from dreamboot.patching import check, engine, faults, journal, state
from dreamboot.patching.patch import CopyFromWheel, Patch
from dreamboot.patching.show import diff_text
from dreamboot.patching.site import distributions
from dreamboot.values import value

Happening = Iterator[Union[Event, Report]]


@value
class Where:
    """The environment that is patched. `python`: its interpreter, "" where only the folder is known."""

    site_packages: Path
    python: str = ""


def locate(context: Context, *, python: str = "", env: str = "", site_packages: Optional[Path] = None) -> Where:
    """The folder of packages of an interpreter, of one of our environments, or as given.

    Raises `DreambootError` when there is none.
    """
    if site_packages is not None:
        if not context.host.is_dir(site_packages):
            raise DreambootError(_no_packages(str(site_packages), "There is no such folder."))
        return Where(site_packages=Path(site_packages).absolute())
    if not python:
        from dreamboot.building import generations
        from dreamboot.building.layout import Layout

        python = generations.require(context.host, Layout(home=context.home), env or "default").python
    asked = context.host.run([python, "-I", "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"], timeout=30)
    if not asked.ok:
        raise DreambootError(_no_packages(python, asked.stderr.strip()[-300:] or "It does not run."))
    return Where(site_packages=Path(asked.stdout.strip()), python=python)


def _no_packages(name: str, cause: str) -> Problem:
    return Problem(
        id="no-environment", what=f"No installed packages were found at {name}.", cause=cause, hint="dreamboot env list"
    )


def list_patches(context: Context, where: Where) -> Happening:
    """What the shelf has, what of it is for this environment and why, and what is applied."""
    known = state.load(context.host, where.site_packages)
    rows = [_row(context.host, where, known, verdict) for verdict in _verdicts(context, where)]
    data = {
        "schema": 1,
        "site_packages": str(where.site_packages),
        "patches": rows,
        "unknown": [entry.name for entry in known.applied if entry.name not in [row["name"] for row in rows]],
        "unfinished": journal.pending(context.host, where.site_packages),
    }
    yield Report(command="patch", data=data)


def _row(host: Host, where: Where, known: state.State, verdict: patching.Verdict) -> Dict[str, Any]:
    patch = verdict.patch
    return {
        "name": patch.name,
        "description": patch.description,
        "for": "; ".join((f"{patch.target.distribution} {patch.target.versions}", *patch.target.conditions)),
        "applies": verdict.applies,
        "state": _standing(host, where, known.find(patch.name)),
        "reason": verdict.reason,
        "needless": verdict.needless,
        "why": patch.why,
        "sources": list(patch.sources),
        "remove_when": patch.remove_when,
        "files": list(patch.paths),
    }


def _standing(host: Host, where: Where, entry: Optional[state.Applied]) -> str:
    """not-applied, applied, replaced (another version was installed since) or changed (by somebody else)."""
    if entry is None:
        return "not-applied"
    if engine.in_place(host, where.site_packages, entry):
        return "applied"
    found = distributions(host, where.site_packages).get(entry.distribution)
    return "changed" if found is not None and found.version == entry.version else "replaced"


def _verdicts(context: Context, where: Where) -> Tuple[patching.Verdict, ...]:
    # Facts of the machine only; which indexes answer does not matter here.
    machine = dataclasses.replace(context, offline=True).machine()
    versions = {name: found.version for name, found in distributions(context.host, where.site_packages).items()}
    return patching.applicable(patching.facts_of(machine, versions), patching.shelf(context.host))


def verify(context: Context, where: Where, names: Sequence[str]) -> Happening:
    """Whether what was applied is still there, byte for byte, and does what it promises."""
    known = state.load(context.host, where.site_packages)
    shelf = {patch.name: patch for patch in patching.shelf(context.host)}
    rows: List[Dict[str, Any]] = []
    for entry in known.applied:
        if names and entry.name not in names:
            continue
        standing = _standing(context.host, where, entry)
        failed = _fails(context.host, where, shelf.get(entry.name)) if standing == "applied" else ""
        rows.append({"name": entry.name, "state": standing, "fails": failed})
    for name in names:
        if known.find(name) is None:
            raise faults.not_applied(name)
    wrong = [row for row in rows if row["state"] != "applied" or row["fails"]]
    problem = _verify_problem(wrong[0]) if wrong else None
    code = ExitCode.PROBLEM if wrong else ExitCode.DONE
    data = {"schema": 1, "verified": rows}
    message = f"{len(rows)} applied, {len(wrong)} not as they should be."
    yield Report(command="patch", data=data, exit_code=code, problem=problem, messages=(message,))


def _verify_problem(row: Dict[str, Any]) -> Problem:
    if row["fails"]:
        return Problem(id="patch-fails", what=f"{row['name']} is applied, but its check fails.", cause=row["fails"],
                       hint=f"dreamboot patch revert {row['name']}")  # fmt: skip
    return Problem(id="patched-file-changed", what=f"{row['name']} is no longer in place ({row['state']}).",
                   cause="Its files were changed or installed again since.", hint="dreamboot patch list")  # fmt: skip


def _fails(host: Host, where: Where, patch: Optional[Patch]) -> str:
    """Why the patch's own check fails in the environment; "" when it passes or can't be asked."""
    if patch is None or not where.python:
        return ""
    return check.fails(host, where.python, patch, clean_environment(host))


def apply(context: Context, where: Where, names: Sequence[str]) -> Happening:
    """Apply `names`, or all that are for this environment; checked afterwards, taken back when the check fails."""
    patches = _wanted(context, where, names)
    if not patches:
        message = "No patch is needed here."
        yield Report(command="patch", data={"schema": 1, "applied": [], "already": []}, messages=(message,))
        return
    if context.dry_run:
        cached = _cached(context, patches)
        planned = patching.plan_apply(
            context.host, where.site_packages, [_without_missing(patch, cached) for patch in patches], cached
        )
        fetched = [wheel for patch in patches for wheel in patch.wheels if wheel.sha256 not in cached]
        notes = tuple(f"would fetch {wheel.requirement}" for wheel in fetched)
        yield _planned_report(planned, "applied", notes, diff=diff_text(planned.files))
        return
    if not context.interactive or context.confirm(f"Apply {', '.join(patch.name for patch in patches)}?"):
        with _alone(context, where):
            wheels = yield from fetch_wheels(context, patches)
            planned = patching.apply(context.host, where.site_packages, patches, wheels)
            _check(context.host, where, [patch for patch in patches if patch.name in planned.names])
        yield _planned_report(planned, "applied")
    else:
        yield _declined()


def _wanted(context: Context, where: Where, names: Sequence[str]) -> Tuple[Patch, ...]:
    """The patches to apply. Raises `DreambootError` for one that is named and not for this environment."""
    verdicts = _verdicts(context, where)
    if not names:
        return tuple(entry.patch for entry in verdicts if entry.applies)
    picked = patching.pick([entry.patch for entry in verdicts], names)
    for entry in verdicts:
        if entry.patch in picked and not entry.applies:
            what = f"The patch {entry.patch.name} is not for this environment."
            problem = Problem(id="patch-not-for-this", what=what, cause=f"{entry.reason}.", hint="dreamboot patch list")
            raise DreambootError(problem, exit_code=ExitCode.REFUSED)
    return picked


def _check(host: Host, where: Where, patches: Sequence[Patch]) -> None:
    """Run each patch's own check; take all back and raise `DreambootError` when one fails."""
    for patch in patches:
        failed = _fails(host, where, patch)
        if failed:
            patching.revert(host, where.site_packages, [each.name for each in patches])
            raise DreambootError(
                Problem(
                    id="patch-fails",
                    what=f"With {patch.name} applied its check failed, so it was taken back.",
                    cause=failed,
                    hint=f"{where.python} -c '{patch.verify}'",
                )
            )


def revert(context: Context, where: Where, names: Sequence[str]) -> Happening:
    """Take `names` back, or everything that is applied."""
    wanted = tuple(names) or tuple(entry.name for entry in state.load(context.host, where.site_packages).applied)
    if context.dry_run:
        planned = patching.plan_revert(context.host, where.site_packages, wanted)
        yield _planned_report(planned, "reverted", diff=diff_text(planned.files))
    elif not context.interactive or context.confirm(f"Take back {', '.join(wanted) or 'nothing'}?"):
        with _alone(context, where):
            planned = patching.revert(context.host, where.site_packages, wanted)
        yield _planned_report(planned, "reverted")
    else:
        yield _declined()


def _planned_report(planned: patching.Planned, done: str, notes: Tuple[str, ...] = (), *, diff: str = "") -> Report:
    data = {
        "schema": 1,
        done: list(planned.names),
        "already": list(planned.already),
        "warnings": list(planned.warnings),
        "diff": diff,
    }
    lines = [f"{name}: {done}" for name in planned.names] + [f"{name}: there already" for name in planned.already]
    messages = (*lines, *planned.warnings, *notes) or ("Nothing to do.",)
    return Report(command="patch", data=data, messages=messages)


def _declined() -> Report:
    problem = Problem(id="declined", what="Nothing was changed.", cause="You said no.")
    return Report(command="patch", data={"schema": 1, "declined": True}, exit_code=ExitCode.REFUSED, problem=problem)


@contextlib.contextmanager
def _alone(context: Context, where: Where) -> Iterator[None]:
    """One patcher at a time per environment."""
    import filelock

    folder = context.home / "locks"
    context.host.make_dir(folder)
    key = hashlib.sha256(str(where.site_packages).encode()).hexdigest()[:16]
    try:
        with filelock.FileLock(str(folder / f"patch-{key}.lock"), timeout=10):
            yield
    except filelock.Timeout as error:
        raise DreambootError(
            Problem(
                id="patching-now",
                what="Another dreamboot patches this environment.",
                cause=f"It holds {folder / f'patch-{key}.lock'}.",
                hint="Wait until it has ended.",
            )
        ) from error


def _cached(context: Context, patches: Sequence[Patch]) -> Dict[str, bytes]:
    """Wheels that are in the shared cache already: sha256 → bytes."""
    from dreamboot.building.layout import Layout

    found: Dict[str, bytes] = {}
    for wheel in (wheel for patch in patches for wheel in patch.wheels):
        folder = Layout(home=context.home).wheels / wheel.sha256[:2] / wheel.sha256
        for name in context.host.list_dir(folder):
            data = context.host.read_bytes(folder / name) if name.endswith(".whl") else None
            if data is not None:
                found[wheel.sha256] = data
    return found


def _without_missing(patch: Patch, cached: Dict[str, bytes]) -> Patch:
    """For a dry run: the patch less the files of wheels that are not here yet."""
    here = [wheel.requirement for wheel in patch.wheels if wheel.sha256 in cached]
    kept = tuple(each for each in patch.effects if not isinstance(each, CopyFromWheel) or each.wheel in here)
    return dataclasses.replace(patch, effects=kept)


def fetch_wheels(context: Context, patches: Sequence[Patch]) -> Generator[Event, None, Dict[str, bytes]]:
    """Events while the wheels of `patches` are fetched into the shared cache; returns sha256 → bytes.

    Raises `DreambootError` when one can't be had, or the index has other bytes than pinned.
    """
    cached = _cached(context, patches)
    for patch in patches:
        for wheel in patch.wheels:
            if wheel.sha256 in cached:
                continue
            if context.offline:
                raise faults.wheel_missing(patch.name, wheel.requirement, wheel.sha256)
            yield Event(kind=EventKind.LINE, stage="fetch", message=f"{wheel.requirement} for {patch.name}")
            yield from _fetch(context, patch.name, wheel)
    return _cached(context, patches)


def _fetch(context: Context, name: str, wheel: patching.Wheel) -> Iterator[Event]:
    """Find the wheel on this machine's indexes by uv, and fetch it with the pinned hash."""
    from dreamboot.app.environment import order_for
    from dreamboot.building import fetch, lock, uv
    from dreamboot.building.layout import Layout
    from dreamboot.host.base import ProgramFailed
    from dreamboot.model import Plan, SourceKind, TorchBuild

    # Only the way to this machine's indexes is wanted of the order; the default index stands for "no torch source".
    python = f"{sys.version_info[0]}.{sys.version_info[1]}"
    source = TorchBuild(version="", tag="", source=SourceKind.DEFAULT_INDEX)
    order = order_for(context, Plan(python=python, torch=source), "patches")
    layout = Layout(home=context.home)
    asked = context.home / "cache" / "patches.in"
    context.host.write_text(asked, wheel.requirement + "\n")
    command = [uv.uv_binary(), "pip", "compile", str(asked), "--format", "pylock.toml", "--no-deps", "--no-header"]
    command += ["--only-binary", ":all:", "--python", sys.executable, "--quiet", *order.sources]
    variables = {**uv.uv_environment(context.host, layout, order.access), **dict(order.secrets)}
    try:
        text = "\n".join(context.host.stream(command, env=variables))
    except ProgramFailed as failed:
        raise faults.wheel_missing(name, wheel.requirement, wheel.sha256) from failed
    file = _pinned_file(text, wheel)
    if file is None:
        raise faults.wheel_missing(name, wheel.requirement, wheel.sha256)
    yield from fetch.fetch(layout, (lock.LockedFile(**file),), order.access)


def _pinned_file(pylock: str, wheel: patching.Wheel) -> Optional[Dict[str, Any]]:
    """The locked file of exactly the pinned content, None where the index has another."""
    from dreamboot.values import parse_toml

    for package in parse_toml(pylock).get("packages", ()):
        for entry in package.get("wheels", ()):
            if entry.get("hashes", {}).get("sha256") == wheel.sha256:
                url = str(entry.get("url") or Path(str(entry.get("path", ""))).as_uri())
                version = str(package.get("version", ""))
                size = int(entry.get("size", 0))
                return {"name": package["name"], "version": version, "url": url, "sha256": wheel.sha256, "size": size}
    return None
