"""The steps of a build: a closed union of values, each with its reason. Pure: from a plan to what will be done."""

from __future__ import annotations

from typing import Tuple, Union

from dreamboot.model import Plan
from dreamboot.values import value


@value
class Lock:
    """Resolve the plan into exact files with hashes."""

    requirements: Tuple[str, ...]
    why: str = "every file is named with its size and sha256 before anything is fetched"


@value
class Fetch:
    """Download what the lock names and the cache lacks."""

    why: str = "downloads resume, are checked against the lock, and are shared by all environments"


@value
class CreateVenv:
    """Make an empty virtual environment."""

    python: str
    why: str = "isolated from every other Python environment of this machine"


@value
class InstallLocked:
    """Install exactly the lock, without asking any index."""

    why: str = "same lock, same files"


@value
class ApplyPatches:
    """Apply verified, reversible patches."""

    names: Tuple[str, ...]
    why: str = "published faults of these versions on this machine"


@value
class WriteAccelerateConfig:
    """Write accelerate's configuration into the generation."""

    why: str = "the user's shared default would also change their other environments"


@value
class Verify:
    """Import the packages, read the configuration and compare versions, in a child process."""

    packages: Tuple[str, ...]
    why: str = "an environment is switched to only when it was seen working"


@value
class Switch:
    """Make this generation the one in use."""

    why: str = "one small file changes, so there is never a half state"


Step = Union[Lock, Fetch, CreateVenv, InstallLocked, ApplyPatches, WriteAccelerateConfig, Verify, Switch]


def steps(plan: Plan, requirements: Tuple[str, ...]) -> Tuple[Step, ...]:
    """What building `plan` takes, in order."""
    patches: Tuple[Step, ...] = (ApplyPatches(names=plan.patches),) if plan.patches else ()
    return (
        Lock(requirements=requirements),
        Fetch(),
        CreateVenv(python=plan.python_path or plan.python),
        InstallLocked(),
        *patches,
        WriteAccelerateConfig(),
        Verify(packages=tuple(plan.packages)),
        Switch(),
    )


def describe(step: Step) -> str:
    """One line for people: what, and why."""
    name = type(step).__name__
    words = "".join(f" {letter.lower()}" if letter.isupper() else letter for letter in name).strip()
    return f"{words}: {step.why}"
