"""Commands for hints, as the shell of this system spells them. None deletes: what is in the way is moved out."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
from pathlib import Path

_WINDOWS = os.name == "nt"
# What means something inside of double quotes, to one shell or another.
_SPECIAL = re.compile(r'["$`\\!%\n]')


def quoted(text: str | Path) -> str:
    """One word for the shell: in double quotes, which every shell knows, where these are needed and enough."""
    text = str(text)
    if _SPECIAL.search(text):
        return subprocess.list2cmdline([text]) if _WINDOWS else shlex.quote(text)
    return text if shlex.quote(text) == text else f'"{text}"'


def look(path: Path) -> str:
    """Show what a folder holds, and whose it is."""
    return f"{_spelt('ls -la', 'dir')} {quoted(path)}"


def take_out(path: Path) -> str:
    """Move a file or folder to where its folder lies; what has its name there stays (Windows asks)."""
    return f"{_spelt('mv -n', 'move')} {quoted(path)} {quoted(path.absolute().parent.parent)}"


def bring(what: str, folder: Path) -> str:
    """Copy `what`, a placeholder, into a folder."""
    return f"{_spelt('cp', 'copy')} {what} {quoted(folder)}"


def room(folder: Path) -> str:
    """Show how much room is left where a folder lies."""
    return f"{_spelt('df -h', 'dir')} {quoted(folder)}"


def _spelt(posix: str, windows: str) -> str:
    return windows if _WINDOWS else posix
