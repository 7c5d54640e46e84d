"""Patch text → `Patch`: a header in the manner of DEP-3, then a unified diff. Pure.

The header ends at the first line "---". Fields: Description (first line the title, indented lines the reason),
Applies-To "distribution versions; word; word", Fetch "requirement sha256:HEX" and Copy "requirement:member sha256:HEX
path" (both may repeat), File-Hash "path sha256:HEX" (may repeat), Source / Bug / Forwarded (may repeat), Remove-When,
Verify. Anything else is a mistake, and said.
"""

from __future__ import annotations

import hashlib
from typing import Dict, List, Tuple

from packaging.requirements import InvalidRequirement, Requirement

from dreamboot.patching import faults
from dreamboot.patching.diff import parse_diff
from dreamboot.patching.patch import CopyFromWheel, Effect, Patch, Target, Wheel
from dreamboot.patching.paths import safe

ONCE = ("Description", "Applies-To", "Remove-When", "Verify")
MANY = ("Fetch", "Copy", "File-Hash", "Source", "Bug", "Forwarded")
NEEDED = ("Description", "Applies-To")
Header = Dict[str, List[str]]


def parse(name: str, data: bytes) -> Patch:
    """The patch in `data`. Raises `DreambootError` (patch-malformed) that names what is wrong."""
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise faults.malformed(name, f"It is not UTF-8: {error}") from error
    if "\r\n" in text.partition("\n---\n")[0]:
        text = text.replace("\r\n", "\n")  # a checkout that turned the line ends
    head, line, diff = text.partition("\n---\n")
    if not line:
        raise faults.malformed(name, "No line --- ends its header.")
    fields = _fields(name, head)
    title, *reason = fields["Description"][0].split("\n")
    wheels = tuple(_wheel(name, entry) for entry in fields["Fetch"])
    copies = tuple(_copy(name, entry, wheels) for entry in fields["Copy"])
    effects: Tuple[Effect, ...] = (*parse_diff(name, diff), *copies)
    _check_paths(name, effects)
    return Patch(
        name=name,
        description=title,
        why=" ".join(reason),
        target=_target(name, fields["Applies-To"][0]),
        effects=effects,
        sha256=hashlib.sha256(text.encode()).hexdigest(),
        wheels=wheels,
        hashes=dict(_pinned(name, entry) for entry in fields["File-Hash"]),
        sources=tuple(fields["Source"] + fields["Bug"] + fields["Forwarded"]),
        remove_when="".join(fields["Remove-When"]),
        verify="".join(fields["Verify"]),
    )


def _fields(name: str, head: str) -> Header:
    fields: Header = {field: [] for field in (*ONCE, *MANY)}
    last = ""
    for line in head.split("\n"):
        if not line.strip() or line.startswith("#"):
            continue
        if line[0] in " \t":
            if not last:
                raise faults.malformed(name, f"The header begins with a continuation: {line.strip()}")
            fields[last][-1] += "\n" + line.strip()
            continue
        field, colon, text = line.partition(":")
        if not colon or field not in fields:
            raise faults.malformed(name, f"The header has an unknown field: {line.strip()}")
        if field in ONCE and fields[field]:
            raise faults.malformed(name, f"The header has two fields {field}.")
        fields[field].append(text.strip())
        last = field
    for field in NEEDED:
        if not fields[field] or not fields[field][0]:
            raise faults.malformed(name, f"The header has no {field}.")
    return fields


def requirement(name: str, text: str) -> Requirement:
    """A distribution with versions: "torch >=2,<3". Raises `DreambootError` on anything else."""
    try:
        return Requirement(text)
    except InvalidRequirement as error:
        raise faults.malformed(name, f"Not a requirement: {text}") from error


def _target(name: str, text: str) -> Target:
    from dreamboot.patching.applicable import WORDS

    first, *words = (part.strip() for part in text.split(";"))
    wanted = requirement(name, first)
    unknown = [word for word in words if word not in WORDS]
    if unknown:
        raise faults.malformed(name, f"Unknown condition {unknown[0]!r}; known are {', '.join(sorted(WORDS))}.")
    return Target(distribution=wanted.name, versions=str(wanted.specifier), conditions=tuple(words))


def _sha256(name: str, text: str) -> str:
    kind, _, digits = text.partition(":")
    if kind != "sha256" or len(digits) != 64 or set(digits) - set("0123456789abcdef"):
        raise faults.malformed(name, f"Expected sha256: and 64 hexadecimal digits, found {text}")
    return digits


def _words(name: str, text: str, count: int) -> List[str]:
    words = text.split()
    if len(words) != count:
        raise faults.malformed(name, f"Expected {count} words, found: {text}")
    return words


def _wheel(name: str, text: str) -> Wheel:
    wanted, digits = _words(name, text, 2)
    return Wheel(requirement=str(requirement(name, wanted)), sha256=_sha256(name, digits))


def _copy(name: str, text: str, wheels: Tuple[Wheel, ...]) -> CopyFromWheel:
    source, digits, path = _words(name, text, 3)
    wanted, _, member = source.partition(":")
    if wanted not in [wheel.requirement for wheel in wheels]:
        raise faults.malformed(name, f"Copy takes a file from {wanted}, which no Fetch names.")
    return CopyFromWheel(path=path, wheel=wanted, member=member, sha256=_sha256(name, digits))


def _pinned(name: str, text: str) -> Tuple[str, str]:
    path, digits = _words(name, text, 2)
    return path, _sha256(name, digits)


def _check_paths(name: str, effects: Tuple[Effect, ...]) -> None:
    paths = [effect.path for effect in effects]
    if not paths:
        raise faults.malformed(name, "It changes nothing.")
    for path in paths:
        if not safe(path):
            raise faults.malformed(name, f"The path {path} leads out of the environment.")
        if paths.count(path) > 1:
            raise faults.malformed(name, f"It changes {path} twice.")
