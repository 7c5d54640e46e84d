"""Requirements that bind a plan: the user's --pin, and the constraints of pip's own configuration."""

from __future__ import annotations

from typing import Dict, Iterable, List, Tuple

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from dreamboot.model import DreambootError, ExitCode, Machine, Problem


def parse_pins(pins: Iterable[str], machine: Machine) -> Dict[str, Requirement]:
    """`--pin` texts by canonical name; those whose marker is of another system are left out, as pip does.

    Raises `DreambootError` for text that is not a requirement.
    """
    found: Dict[str, Requirement] = {}
    environment = marker_environment(machine)
    for text in pins:
        try:
            requirement = Requirement(text)
        except InvalidRequirement as error:
            raise DreambootError(
                Problem(
                    id="pin-unreadable",
                    what=f"--pin {text!r} is not a requirement.",
                    cause=str(error).split("\n", 1)[0],
                    hint='Write it as pip does: --pin "torch==2.11.0"',
                ),
                exit_code=ExitCode.USAGE,
            ) from error
        if requirement.url:
            raise DreambootError(
                Problem(
                    id="pin-is-an-address",
                    what=f"--pin {text!r} names a file, not a version.",
                    cause="What a file holds is not known before it is fetched, so no plan can promise that it works.",
                    hint="Put the wheel into a folder that pip's find-links names, and pin its version",
                ),
                exit_code=ExitCode.USAGE,
            )
        if requirement.marker is not None and not requirement.marker.evaluate(environment):
            continue
        requirement.marker = None
        name = canonicalize_name(requirement.name)
        if name in found:
            # Both hold: the later one does not undo the earlier.
            requirement.specifier &= found[name].specifier
        found[name] = requirement
    return found


def parse_constraints(machine: Machine) -> Dict[str, Tuple[Requirement, ...]]:
    """The constraints that apply on this machine, by canonical name. Lines that pip itself would refuse are skipped."""
    found: Dict[str, List[Requirement]] = {}
    environment = marker_environment(machine)
    for line in machine.indexes.constraints:
        try:
            requirement = Requirement(line.split(" #", 1)[0].strip())
        except InvalidRequirement:
            continue
        if requirement.marker is None or requirement.marker.evaluate(environment):
            found.setdefault(canonicalize_name(requirement.name), []).append(requirement)
    return {name: tuple(requirements) for name, requirements in found.items()}


def marker_environment(machine: Machine) -> Dict[str, str]:
    """The parts of a marker's environment that a machine decides (the Python of the plan is not chosen yet)."""
    system = {"linux": "Linux", "windows": "Windows", "macos": "Darwin"}.get(machine.os, "")
    platform = {"linux": "linux", "windows": "win32", "macos": "darwin"}.get(machine.os, "")
    return {"platform_system": system, "sys_platform": platform, "os_name": "nt" if platform == "win32" else "posix"}


def allows(requirement: Requirement, version: str, tag: str = "") -> bool:
    """Whether `version` (of a build with local tag `tag`) satisfies a requirement.

    A requirement with a local tag ("torch==2.11.0+cu128") binds the tag too.
    """
    if not str(requirement.specifier):
        return True
    try:
        wants_local = any("+" in part.version for part in requirement.specifier)
        spelled = f"{version}+{tag}" if tag and wants_local else version
        return requirement.specifier.contains(Version(spelled), prereleases=True)
    except InvalidVersion:
        return False
