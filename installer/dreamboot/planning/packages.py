"""The requirement of every distribution beside torch: the stack's, the companions', pins and constraints worked in."""

from __future__ import annotations

from typing import Dict, List, Sequence, Tuple

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from dreamboot.catalog.versions import at_least
from dreamboot.model import Choice, DreambootError, ExitCode, Problem
from dreamboot.planning.companions import Addition, Chosen
from dreamboot.planning.pins import allows

# The oldest releases that work together with transformers 5 (catalog: conflicts).
_OLDEST = {"diffusers": "0.37", "transformers": "5", "accelerate": "1.10", "peft": "0.17"}
# Each of these names ranges of the others in its metadata.
_TIED = ("diffusers", "transformers", "accelerate", "peft", "safetensors", "tokenizers", "huggingface_hub")
# Decided by rules or companions of their own, pins included.
_DECIDED_ELSEWHERE = ("torch", "python", "bitsandbytes", "xformers", "torchvision")


def packages(chosen: Chosen, additions: Sequence[Addition]) -> Tuple[Dict[str, str], List[Choice]]:
    """The requirement of every distribution, pins and constraints worked in, and what they changed."""
    """(requirement per distribution, what pins and constraints changed). Raises `DreambootError` for a fatal pin."""
    question = chosen.question
    found = dict(chosen.stack.packages)
    for addition in additions:
        found.update(addition.packages)
    reasons = []
    by_name: Dict[str, str] = {canonicalize_name(name): name for name in found}
    for key, pin in question.pins.items():
        if key in _DECIDED_ELSEWHERE:
            continue
        name = by_name.get(key, pin.name)
        found[name] = str(pin.specifier)
        reasons.append(Choice(topic=name, value=str(pin.specifier) or "any", reason="asked for with --pin"))
    for key, requirements in question.constraints.items():
        name = by_name.get(key, "")
        if not name or name == "torch" or key in question.pins:
            continue
        asked = ",".join(str(requirement.specifier) for requirement in requirements)
        if not _within(found[name], requirements):
            found[name] = _relaxed(name, asked)
            reasons.append(
                Choice(topic=name, value=found[name], reason=f"pip's constraint {asked} forbids the usual one")
            )
    _refuse_conflicts(found, chosen)
    return _loosened(found, chosen), reasons


def _loosened(wanted: Dict[str, str], chosen: Chosen) -> Dict[str, str]:
    """Where one of the packages that depend on each other was moved, exact pins of the others would contradict it.

    They become ranges, or are left to the resolver, which knows their dependencies on each other.
    """
    usual = chosen.stack.packages
    moved = {name for name in _TIED if name in usual and wanted.get(name) != usual[name]}
    if not moved or chosen.question.wish.profile:
        return wanted
    loose = {name: f">={_OLDEST[name]}" if name in _OLDEST else "" for name in _TIED if name not in moved}
    return {name: loose.get(name, text) for name, text in wanted.items() if loose.get(name, text) or name in moved}


def _within(requirement: str, constraints: Sequence[Requirement]) -> bool:
    """Whether an exact pin satisfies the constraints; a range is left to the resolver, which sees both."""
    if not requirement.startswith("=="):
        return True
    return all(allows(constraint, requirement[2:].split("+", maxsplit=1)[0]) for constraint in constraints)


def _relaxed(name: str, asked: str) -> str:
    oldest = _OLDEST.get(name)
    return f">={oldest},{asked}" if oldest else asked


def _refuse_conflicts(packages: Dict[str, str], chosen: Chosen) -> None:
    """A pin that breaks a package which the trainer needs is refused before anything is downloaded."""
    if chosen.question.wish.profile:
        return
    for name, oldest in _OLDEST.items():
        pin = chosen.question.pins.get(name)
        exact = [part for part in (pin.specifier if pin else ()) if part.operator in ("==", "<", "<=", "===")]
        for part in exact:
            if not at_least(part.version, oldest) and part.operator != "<":
                raise DreambootError(
                    Problem(
                        id="pin-below-floor",
                        what=f"--pin {pin} asks for a {name} that the trainer does not run on.",
                        cause=f"It needs {name} {oldest} or newer, beside transformers 5.",
                        hint=f'--pin "{name}>={oldest}", or leave it out ({packages[name]} is planned)',
                    ),
                    exit_code=ExitCode.REFUSED,
                )
