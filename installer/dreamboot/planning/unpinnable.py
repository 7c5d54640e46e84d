"""Pins that no plan can hold: not a distribution, tied to torch's build, an extra, or a misspelt name."""

from __future__ import annotations

import difflib
import re
from typing import Dict, Optional, Set

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from dreamboot.catalog import Catalog
from dreamboot.model import Problem
from dreamboot.planning.companions import all_companions
from dreamboot.planning.conflicts import PinRefusedError

# As alike as "transformer" and "transformers"; "torchao" and "torch" are two projects and less alike.
_ALIKE = 0.88


def refuse_unpinnable(pins: Dict[str, Requirement], catalog: Catalog) -> None:
    """Raises `PinRefusedError` for the first pin that can't be honoured whatever the machine is."""
    for name, pin in pins.items():
        problem = _fault(name, pin, catalog)
        if problem is not None:
            raise PinRefusedError(problem)


def _fault(name: str, pin: Requirement, catalog: Catalog) -> Optional[Problem]:
    for row in catalog.table("unpinnable"):
        if re.fullmatch(row.pattern, name):
            return Problem(id="pin-not-possible", what=f"--pin {pin} can't be held.", cause=f"{row.why[:1].upper()}"
                           f"{row.why[1:]}.", hint=row.instead)  # fmt: skip
    known = known_names(catalog)
    alike = [] if name in known else difflib.get_close_matches(name, known, n=1, cutoff=_ALIKE)
    if alike:
        return Problem(
            id="pin-misspelt",
            what=f"--pin {pin}: is {alike[0]} meant?",
            cause=f"No package of the plan is called {pin.name}; a name that is nearly right may be somebody else's.",
            hint=f'--pin "{alike[0]}{pin.specifier}"',
        )
    if pin.extras:
        plain = f"{pin.name}{pin.specifier}"
        return Problem(
            id="pin-with-extras",
            what=f"--pin {pin} asks for extras.",
            cause="A pin holds a version. What an extra brings along was never looked at beside this stack.",
            hint=f'--pin "{plain}", and pin the packages of the extra that are wanted by their own names',
        )
    return None


def known_names(catalog: Catalog) -> Set[str]:
    """Canonical names of everything that plans name."""
    stacks = {canonicalize_name(name) for stack in catalog.stacks for name in stack.packages}
    return {*stacks, *(name for name, _ in all_companions()), "torch", "python", "triton-windows"}
