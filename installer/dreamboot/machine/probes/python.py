"""Every Python on the machine; most tell their version by their files, the few others are asked."""

from __future__ import annotations

import re
from functools import partial
from pathlib import Path
from typing import Dict, List, Optional, Tuple

from dreamboot.machine.asking import Asking, Facts
from dreamboot.machine.pythons.files import is_script, is_store_alias, kind_of, prefix_of, read_python
from dreamboot.machine.pythons.places import candidates
from dreamboot.machine.pythons.self_report import ask_python
from dreamboot.model import Python

# Starting an interpreter takes 10-30 ms of processor time; more than this many unknown ones is not worth waiting for.
MOST_ASKED = 6


def probe(asking: Asking) -> Facts:
    """pythons, PATH order first."""
    found = distinct(asking)
    known: Dict[str, Optional[Python]] = {path: read_python(asking, path, kind) for path, kind in found}
    unknown = [(path, kind) for path, kind in found if known[path] is None][:MOST_ASKED]
    answers = asking.together([partial(ask_python, asking, path, kind) for path, kind in unknown])
    known.update({path: answer for (path, _), answer in zip(unknown, answers)})
    pythons: Dict[Tuple[str, str, bool], Python] = {}
    for python in filter(None, known.values()):
        pythons.setdefault((_place(python.path), python.version, python.free_threaded), python)
    return {"pythons": tuple(pythons.values())}


def distinct(asking: Asking) -> List[Tuple[str, str]]:
    """Candidates that are there, one path per installation; shims and Store placeholders left out."""
    chosen: Dict[Tuple[str, str], Tuple[str, str]] = {}
    for path, kind in candidates(asking):
        if not asking.exists(path) or is_script(asking, path) or is_store_alias(asking, path):
            continue
        kind = kind or kind_of(asking, path)
        # A venv's python is a link to its base; both are interpreters of their own.
        real = path if kind == "venv" else str(asking.host.real_path(Path(path)))
        variant = "" if kind == "venv" else _variant(real)
        chosen.setdefault((_place(real), variant), (real, kind))
    return list(chosen.values())


def _place(path: str) -> str:
    return prefix_of(path)[0].replace("\\", "/").lower() if "\\" in path else prefix_of(path)[0]


def _variant(path: str) -> str:
    """ "3.11" of /usr/bin/python3.11: one folder may hold several versions; "" for names without a number."""
    match = re.search(r"python(3\.\d+t?)(?:\.exe)?$", path)
    return match.group(1) if match else ""
