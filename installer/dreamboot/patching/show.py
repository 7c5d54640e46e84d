"""What a plan changes, as a unified diff for people. Pure."""

from __future__ import annotations

import difflib
from typing import List, Optional, Sequence

from dreamboot.patching.effects import FileEffect
from dreamboot.patching.hunks import lines_of
from dreamboot.patching.state import digest


def diff_text(files: Sequence[FileEffect]) -> str:
    """The diff of every file; one line for files that are not text."""
    lines: List[str] = []
    for file in files:
        before, after = _text(file.before), _text(file.after)
        if before is None or after is None:
            data = file.after if file.after is not None else b""
            lines.append(f"{file.path}: binary, {len(data)} bytes, sha256 {digest(data)}\n")
            continue
        old = "/dev/null" if file.before is None else f"a/{file.path}"
        new = "/dev/null" if file.after is None else f"b/{file.path}"
        for line in difflib.unified_diff(lines_of(before), lines_of(after), old, new):
            lines.append(line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n")
    return "".join(lines)


def _text(data: Optional[bytes]) -> Optional[str]:
    if data is None:
        return ""
    if b"\0" in data:
        return None
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return None
