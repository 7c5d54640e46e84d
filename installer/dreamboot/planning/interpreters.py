"""Which Pythons could run the environment: those of the machine first, then those that uv can download."""

from __future__ import annotations

from typing import Dict, List, Tuple

from packaging.requirements import Requirement

from dreamboot.catalog import Catalog
from dreamboot.catalog.versions import at_least, numbers
from dreamboot.model import Machine, Python, Wish
from dreamboot.planning.pins import allows
from dreamboot.planning.question import Interpreter

# Most complete first: 3.12 and 3.11 have wheels of everything that plans name (triton-windows, xformers, every torch
# since the floor); 3.13 and 3.10 lack some; 3.14 and later are new to most packages.
PREFERRED = ("3.12", "3.11", "3.13", "3.10", "3.14", "3.15")
# What uv fetches when the machine has nothing that fits. One that every plan's packages have wheels for.
DOWNLOADED = ("3.12", "3.11", "3.10", "3.8")
# Interpreters of other programs' environments work, but may vanish with them: after those of the system.
_KINDS = {"system": 0, "pyenv": 0, "uv": 0, "other": 1, "conda": 2, "venv": 3, "store": 4}


def interpreters(
    machine: Machine, wish: Wish, catalog: Catalog, pins: Dict[str, Requirement]
) -> Tuple[Interpreter, ...]:
    """Every Python that may be taken, and every one that may not with its fault; best first."""
    oldest = "3.8" if wish.profile else catalog.floor("python").oldest
    known = tuple(stack.python for stack in catalog.stacks if stack.profile == wish.profile)
    found = [_present(python, oldest, pins, known) for python in machine.pythons]
    found.sort(key=lambda item: (bool(item.fault), item.rank))
    return (*found, *_downloadable(wish, oldest, pins))


def _present(python: Python, oldest: str, pins: Dict[str, Requirement], known: Tuple[str, ...]) -> Interpreter:
    minor = ".".join(python.version.split(".")[:2])
    order = PREFERRED.index(minor) if minor in PREFERRED else len(PREFERRED)
    return Interpreter(
        version=python.version,
        path=python.path,
        kind=python.kind,
        fault=_fault(python, oldest) or _without_packages(minor, known) or _against_pin(python.version, pins),
        rank=_KINDS.get(python.kind, 1) * 10 + order,
    )


def _fault(python: Python, oldest: str) -> str:
    if python.bits != 64:
        return "it is a 32-bit build, and torch has 64-bit wheels only"
    if python.free_threaded:
        return "it is free-threaded, and tokenizers and safetensors ship stable-ABI wheels that it can't load"
    if python.implementation.lower() != "cpython":
        return f"it is {python.implementation}, and torch has wheels for CPython only"
    if not at_least(python.version, oldest):
        return f"it is older than {oldest}, the oldest Python that the trainer's packages run on"
    if python.kind == "store" and not numbers(python.version):
        return "it is the Microsoft Store's placeholder, not a Python"
    return ""


def _without_packages(minor: str, known: Tuple[str, ...]) -> str:
    """A Python that is newer than the wheels of some package, or of another time than a profile."""
    if not minor or any(allows(Requirement(f"x{python}"), minor) for python in known):
        return ""
    return f"no set of packages is known whose wheels are there for Python {minor}"


def _against_pin(version: str, pins: Dict[str, Requirement]) -> str:
    pin = pins.get("python")
    return (
        "" if pin is None or allows(pin, version) or allows(pin, _minor(version)) else f"--pin {pin} asks for another"
    )


def _minor(version: str) -> str:
    return ".".join(version.split(".")[:2])


def _downloadable(wish: Wish, oldest: str, pins: Dict[str, Requirement]) -> List[Interpreter]:
    return [
        Interpreter(
            version=minor,
            rank=1000 + number,
            fault="it would have to be downloaded, and --offline forbids that" if wish.offline else "",
        )
        for number, minor in enumerate(DOWNLOADED)
        if at_least(minor, oldest) and not _against_pin(minor, pins)
    ]
