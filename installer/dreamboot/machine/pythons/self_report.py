"""What an interpreter says about itself: one tiny script, run isolated and without site-packages."""

from __future__ import annotations

from typing import Optional

from dreamboot.machine.asking import Asking
from dreamboot.machine.pythons.files import kind_of
from dreamboot.model import Python

RUN_SECONDS = 2.0
MARK = "dreamboot-python"
# Only modules that are loaded at every start; paths are looked at, nothing of the user's is imported. Debian keeps pip
# in dist-packages. A `venv` without `ensurepip` (Debian without python3-venv) can't make a usable environment.
SCRIPT = f"""
import os, sys
library = os.path.dirname(os.__file__)
there = lambda *parts: os.path.isdir(os.path.join(*parts))
debian = os.path.join(os.path.dirname(library), "python3", "dist-packages", "pip")
print("\\t".join([
    "{MARK}", "%d.%d.%d" % sys.version_info[:3] + ("" if sys.version_info[3] == "final" else sys.version_info[3][:2]),
    "64" if sys.maxsize > 2**32 else "32", str(int("free-threading" in sys.version)), sys.implementation.name,
    str(int(there(library, "venv") and there(library, "ensurepip"))),
    str(int(there(library, "site-packages", "pip") or there(debian))), sys.executable or "",
]))
"""


def ask_python(asking: Asking, path: str, kind: str) -> Optional[Python]:
    """Run the interpreter at `path`; None when it does not start, is not Python 3 or does not answer in time."""
    answer = asking.run(path, "-I", "-S", "-c", SCRIPT, timeout=RUN_SECONDS)
    return parse_report(answer.stdout, path, kind or kind_of(asking, path)) if answer.ok else None


def parse_report(text: str, path: str, kind: str) -> Optional[Python]:
    """The script's line → a `Python`."""
    for line in text.splitlines():
        parts = line.split("\t")
        if parts[0] == MARK and len(parts) == 8:
            return Python(
                path=path,
                version=parts[1],
                bits=32 if parts[2] == "32" else 64,
                free_threaded=parts[3] == "1",
                implementation=parts[4],
                kind=kind,
                has_venv=parts[5] == "1",
                has_pip=parts[6] == "1",
            )
    return None
