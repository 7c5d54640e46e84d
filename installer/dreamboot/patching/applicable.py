"""Which patches are for this environment, and why or why not. Pure."""

from __future__ import annotations

from dataclasses import field
from typing import Iterable, Mapping, Sequence, Tuple

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

from dreamboot.model import Machine, Vendor
from dreamboot.patching.patch import Patch
from dreamboot.values import value

SYSTEMS = ("linux", "windows", "macos")
ARCHITECTURES = ("x86_64", "aarch64")
VENDORS = tuple(vendor.value for vendor in Vendor)
WORDS = frozenset((*SYSTEMS, *ARCHITECTURES, *VENDORS))


@value
class Facts:
    """What decides about patches. `versions`: distribution → version, installed or planned."""

    os: str
    arch: str = "x86_64"
    vendors: Tuple[str, ...] = ()
    versions: Mapping[str, str] = field(default_factory=dict)


@value
class Verdict:
    """Whether a patch is for these facts, and why. `needless`: its Remove-When has come true."""

    patch: Patch
    applies: bool
    reason: str
    needless: bool = False


def facts_of(machine: Machine, versions: Mapping[str, str]) -> Facts:
    """The facts of a machine with these distributions: "0.34.0", or "==0.34.0" as a plan spells it."""
    plain = {str(canonicalize_name(name)): text.partition("==")[2] or text for name, text in versions.items()}
    vendors = tuple(dict.fromkeys(gpu.vendor.value for gpu in machine.gpus))
    return Facts(os=machine.os, arch=machine.arch, vendors=vendors, versions=plain)


def applicable(facts: Facts, patches: Sequence[Patch]) -> Tuple[Verdict, ...]:
    """One verdict per patch, in order."""
    return tuple(verdict(facts, patch) for patch in patches)


def verdict(facts: Facts, patch: Patch) -> Verdict:
    """Whether `patch` is for `facts`."""
    target = patch.target
    found = facts.versions.get(str(canonicalize_name(target.distribution)), "")
    if not found:
        return Verdict(patch=patch, applies=False, reason=f"{target.distribution} is not installed")
    said = f"{target.distribution} {found}"
    newer = _needless(facts, patch)
    if newer:
        reason = f"no longer needed with {newer} ({patch.remove_when} does without)"
        return Verdict(patch=patch, applies=False, reason=reason, needless=True)
    if not _contains(target.versions, found):
        return Verdict(patch=patch, applies=False, reason=f"it is for {target.versions}, and this is {said}")
    for word in target.conditions:
        if not _holds(facts, word):
            return Verdict(patch=patch, applies=False, reason=f"it is for {word}, and this is {_shown(facts, word)}")
    return Verdict(patch=patch, applies=True, reason=", ".join((said, *target.conditions)))


def names_of(verdicts: Iterable[Verdict]) -> Tuple[str, ...]:
    """The names of those that apply."""
    return tuple(entry.patch.name for entry in verdicts if entry.applies)


def _needless(facts: Facts, patch: Patch) -> str:
    """What makes the patch needless here ("torch 2.1.0"), "" where nothing does."""
    if not patch.remove_when:
        return ""
    wanted = Requirement(patch.remove_when)
    found = facts.versions.get(str(canonicalize_name(wanted.name)), "")
    return f"{wanted.name} {found}" if found and _contains(str(wanted.specifier), found) else ""


def _contains(versions: str, found: str) -> bool:
    from packaging.version import InvalidVersion

    try:
        return SpecifierSet(versions).contains(found, prereleases=True)
    except InvalidVersion:
        return False


def _holds(facts: Facts, word: str) -> bool:
    if word in VENDORS:
        return word in facts.vendors
    return word in (facts.os, facts.arch)


def _shown(facts: Facts, word: str) -> str:
    if word in VENDORS:
        return f"a machine with {', '.join(facts.vendors) or 'no GPU'}"
    return facts.os if word in SYSTEMS else facts.arch
