"""Repairs an environment: a snapshot first, each step through the host, and a way back."""

# ruff: noqa: PTH113, PTH114, PTH118 - strings, not Path objects: thousands of files are looked at in a second

from __future__ import annotations

import filecmp
import json
import os
import time
from pathlib import Path
from typing import Dict, Generator, List, Sequence, Tuple

from dreamboot.doctor.facts import files
from dreamboot.doctor.facts.values import Target
from dreamboot.host import Host
from dreamboot.host.base import ProgramFailed
from dreamboot.model import DreambootError, Event, EventKind, Finding, FixStep, Problem, Status

# Causes hide causes: after the first repair the next may show itself; more rounds than this would be going in circles.
ROUNDS = 3
Steps = List[Tuple[Finding, FixStep]]
PROGRAMS = "programs"
MENDED = (Status.ERROR, Status.WARNING, Status.CRASHED)


def steps_of(findings: Sequence[Finding], target: Target) -> Steps:
    """The automatic steps of what is wrong, each command once, worst findings first.

    None for a Python that belongs to the operating system: its packages are the system's to change.
    """
    seen = set()
    found: Steps = []
    if target.externally_managed:
        return found
    for finding in findings:
        if finding.status not in MENDED:
            continue
        for step in finding.fix:
            if step.automatic and step.command not in seen:
                seen.add(step.command)
                found.append((finding, step))
    return found


def take_snapshot(host: Host, home: Path, target: Target) -> Path:
    """Keep the environment as it is: hard links of its packages (no room, a second or two) and its small files.

    Installers replace files instead of writing into them, so the links keep the old content.
    """
    folder = _snapshots(home, target) / time.strftime("%Y%m%d-%H%M%S")
    host.make_dir(folder)
    kept = {}
    for number, site in enumerate(target.own_site):
        _link_tree(Path(site), folder / f"site-{number}")
        kept[f"site-{number}"] = site
    programs = _programs(target)
    for name in files.names(programs):
        if os.path.isfile(os.path.join(programs, name)):
            host.make_dir(folder / PROGRAMS)
            _link(os.path.join(programs, name), str(folder / PROGRAMS / name))
    small = {}
    config = os.path.join(target.prefix, "pyvenv.cfg")
    if os.path.isfile(config):
        small[config] = files.text(config)
    host.write_text(folder / "snapshot.json", json.dumps({"schema": 1, "sites": kept, "files": small, "moved": {}}))
    return folder


def undo(host: Host, home: Path, target: Target) -> str:
    """Put the newest snapshot back, exactly. Raises `DreambootError` when there is none."""
    base = _snapshots(home, target)
    names = [name for name in files.names(str(base)) if (base / name / "snapshot.json").is_file()]
    if not names:
        raise DreambootError(
            Problem(
                id="no-snapshot",
                what=f"There is nothing to undo for {target.prefix}.",
                cause="dreamboot doctor --fix never changed this environment, or it was undone already.",
                hint="dreamboot doctor --python PATH",
            )
        )
    folder = base / names[-1]
    told = json.loads(files.text(str(folder / "snapshot.json")))
    for name, site in told["sites"].items():
        aside = Path(site + ".undone")
        host.remove(aside)
        host.move(Path(site), aside)
        host.move(folder / name, Path(site))
        host.remove(aside)
    _undo_programs(host, folder / PROGRAMS, _programs(target))
    for path, content in told["files"].items():
        host.write_text(Path(path), content)
    for kept, path in told["moved"].items():
        if not os.path.lexists(path):
            host.move(folder / kept, Path(path))
    host.remove(folder)
    return str(folder)


def take(
    host: Host, target: Target, step: FixStep, snapshot: Path, *, offline: bool = False
) -> Generator[Event, None, str]:
    """One step; returns why it failed, "" when it did not."""
    action, arguments = step.arguments[0], step.arguments[1:]
    try:
        if action in ("install", "reinstall", "uninstall"):
            for line in host.stream(_uv(host, target, action, arguments, offline=offline), env=variables_of(host)):
                yield Event(kind=EventKind.LINE, stage="fix", message=line)
        elif action == "remove":
            for path in arguments:
                _put_aside(host, snapshot, Path(path), target)
        elif action == "write":
            _remember(host, snapshot, arguments[0])
            host.write_text(Path(arguments[0]), arguments[1])
    except ProgramFailed as failed:
        return "; ".join(failed.tail[-3:])
    except OSError as failed:
        return str(failed)
    return ""


def _uv(host: Host, target: Target, action: str, arguments: Sequence[str], *, offline: bool) -> List[str]:
    """uv's command line; pip's own index settings are translated, because uv does not read them."""
    from dreamboot.building.uv import uv_binary

    verb = "uninstall" if action == "uninstall" else "install"
    options = ["--python", target.python]
    if action == "reinstall":
        options += ["--reinstall", "--no-deps"]
    if verb == "install":
        options += _sources(host)
        if offline:
            options.append("--offline")
    return [uv_binary(), "pip", verb, *options, *(word for one in arguments for word in one.split(" ") if word)]


def _sources(host: Host) -> List[str]:
    from dreamboot.machine import index

    raw = index.raw(host)
    found = [word for folder in raw.find_links for word in ("--find-links", folder)]
    for url in raw.extra_index_urls:
        found += ["--index", url]
    if raw.extra_index_urls:
        # pip compares the versions of all indexes; uv would take the first index that knows the name
        found += ["--index-strategy", "unsafe-best-match"]
    if raw.index_url:
        found += ["--default-index", raw.index_url]
    for name in raw.trusted_hosts:
        found += ["--allow-insecure-host", name]
    return [*found, *(["--no-index"] if raw.no_index else [])]


def variables_of(host: Host) -> Dict[str, str]:
    """This process's own, with the certificate that pip is configured to trust."""
    from dreamboot.machine import index

    variables = dict(host.environ)
    certificate = index.raw(host).certificate
    if certificate:
        variables["SSL_CERT_FILE"] = certificate
    variables["UV_NO_PROGRESS"] = "1"
    return variables


def _put_aside(host: Host, snapshot: Path, path: Path, target: Target) -> None:
    """Packages are in the snapshot already; what lies outside of them is moved there and remembered."""
    if any(str(path).startswith(site) for site in target.own_site):
        host.remove(path)
        return
    kept = f"moved-{len(_told(snapshot)['moved'])}-{path.name}"
    host.move(path, snapshot / kept)
    told = _told(snapshot)
    told["moved"][kept] = str(path)
    host.write_text(snapshot / "snapshot.json", json.dumps(told))


def _remember(host: Host, snapshot: Path, path: str) -> None:
    told = _told(snapshot)
    told["files"].setdefault(path, files.text(path))
    host.write_text(snapshot / "snapshot.json", json.dumps(told))


def _told(snapshot: Path) -> Dict[str, Dict[str, str]]:
    read = json.loads(files.text(str(snapshot / "snapshot.json"), 2_000_000))
    return dict(read)


def _snapshots(home: Path, target: Target) -> Path:
    import hashlib

    return home / "snapshots" / hashlib.sha256(target.prefix.encode()).hexdigest()[:12]


def _programs(target: Target) -> str:
    """The folder of the programs that packages bring along; "" where others share it (a system's Python)."""
    folder = os.path.dirname(target.python)  # noqa: PTH120
    own = os.path.basename(folder).lower() in ("bin", "scripts") and target.kind in ("venv", "uv-venv", "conda")  # noqa: PTH119
    return folder if own else ""


def _undo_programs(host: Host, kept: Path, programs: str) -> None:
    """One by one: Windows lets nobody move the folder of a program that runs."""
    names = set(files.names(str(kept)))
    for name in sorted(set(files.names(programs)) | names) if names else ():
        there = Path(programs) / name
        if name not in names:
            if os.path.isfile(there):
                host.remove(there)
        elif not os.path.isfile(there) or not filecmp.cmp(kept / name, there, shallow=False):
            host.move(kept / name, there)


def _link_tree(source: Path, copy: Path) -> None:
    """The same tree of hard links; files are copied where the file system has none."""
    for root, folders, names in os.walk(source):
        there = copy / os.path.relpath(root, source)
        there.mkdir(parents=True, exist_ok=True)
        for name in [*names, *(folder for folder in folders if os.path.islink(os.path.join(root, folder)))]:
            _link(os.path.join(root, name), str(there / name))


def _link(source: str, copy: str) -> None:
    try:
        os.link(source, copy, follow_symlinks=False)
    except (OSError, NotImplementedError):
        Path(copy).write_bytes(Path(source).read_bytes())
