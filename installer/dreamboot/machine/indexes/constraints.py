"""Constraint files as requirement strings: comments off, lines joined, files named inside followed."""

from __future__ import annotations

import re
from typing import List, Mapping, Set, Tuple

from dreamboot.machine.asking import Asking
from dreamboot.machine.pythons.places import join_path

MOST_DEPTH = 5


def read_constraints(asking: Asking, files: Tuple[str, ...]) -> Tuple[Tuple[str, ...], Tuple[str, ...]]:
    """(requirement strings, faults) of constraint files; a URL is named as a fault, since nothing is fetched here."""
    requirements: List[str] = []
    faults: List[str] = []
    _read(asking, files, requirements, faults, set(), 0)
    return tuple(dict.fromkeys(requirements)), tuple(faults)


def _read(
    asking: Asking, files: Tuple[str, ...], requirements: List[str], faults: List[str], seen: Set[str], depth: int
) -> None:
    for name in files:
        path = local_path(name)
        if path in seen or depth > MOST_DEPTH:
            continue
        seen.add(path)
        if "://" in path:
            faults.append(f"{path}: a constraint file on the network is not read")
            continue
        text = asking.read(path)
        if text is None:
            faults.append(f"{path}: the constraint file can't be read")
            continue
        found, nested = parse_constraints(text, asking.environ)
        requirements.extend(found)
        _read(asking, tuple(_beside(asking, path, other) for other in nested), requirements, faults, seen, depth + 1)


def parse_constraints(text: str, environ: Mapping[str, str]) -> Tuple[Tuple[str, ...], Tuple[str, ...]]:
    """(requirement strings, names of files given with -c or -r); `${NAME}` is replaced where it is set."""
    joined = re.sub(r"\\\r?\n", "", text.lstrip("\ufeff"))
    requirements, nested = [], []
    for line in joined.splitlines():
        line = re.sub(r"(^|\s)#.*$", "", line).strip()
        line = re.sub(r"\$\{([A-Z0-9_]+)\}", lambda match: environ.get(match.group(1), match.group(0)), line)
        option = re.match(r"^(?:-c|-r|--constraint|--requirement)[\s=]\s*(.+)$", line)
        if option:
            nested.append(option.group(1))
        elif line and not line.startswith("-"):
            # Hashes and other per-requirement options hold for a file, not for a version.
            requirements.append(re.split(r"\s--\w", line)[0].strip())
    return tuple(requirements), tuple(nested)


def local_path(name: str) -> str:
    """A path from a path or a file: URL."""
    if not name.lower().startswith("file:"):
        return name
    from urllib.parse import unquote, urlsplit

    path = unquote(urlsplit(name).path)
    # file:///C:/wheels is C:/wheels.
    return path[1:] if re.match(r"^/[A-Za-z]:", path) else path


def _beside(asking: Asking, path: str, name: str) -> str:
    if "://" in name or re.match(r"^([/\\]|[A-Za-z]:)", name):
        return name
    return join_path(asking, re.sub(r"[/\\][^/\\]*$", "", path), name)
