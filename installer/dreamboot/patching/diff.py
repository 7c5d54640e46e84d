"""Unified diff → effects. The strict part of the format that patches of the shelf use; nothing is guessed. Pure.

Own code: the libraries for this (unidiff, whatthepatch) keep line ends and the mark "no newline" in ways that would
have to be undone to reverse a patch byte for byte.
"""

from __future__ import annotations

import re
from typing import List, Tuple, Union

from dreamboot.patching import faults
from dreamboot.patching.patch import CreateFile, DeleteFile, Hunk, ReplaceText

NOTHING = "/dev/null"
NO_NEWLINE = "\\ No newline at end of file"
_HUNK = re.compile(r"@@ -(\d+)(?:,(\d+))? \+(\d+)(?:,(\d+))? @@")
FileEffect = Union[ReplaceText, CreateFile, DeleteFile]


def parse_diff(name: str, text: str) -> Tuple[FileEffect, ...]:
    """One effect per file. Raises `DreambootError` (patch-malformed)."""
    lines = text.split("\n")
    if lines and not lines[-1]:
        lines.pop()
    found: List[FileEffect] = []
    at = 0
    while at < len(lines):
        if not lines[at].startswith("--- "):
            if lines[at].strip() and not lines[at].startswith(("diff ", "index ", "new file", "deleted file")):
                raise faults.malformed(name, f"The diff has a line that belongs to nothing: {lines[at]}")
            at += 1
            continue
        if at + 1 >= len(lines) or not lines[at + 1].startswith("+++ "):
            raise faults.malformed(name, f"No +++ line follows: {lines[at]}")
        old, new = _path(lines[at]), _path(lines[at + 1])
        hunks, at = _hunks(name, lines, at + 2)
        found.append(_effect(name, old, new, hunks))
    return tuple(found)


def _path(line: str) -> str:
    path = line[4:].split("\t", maxsplit=1)[0].rstrip()
    return path if path == NOTHING or not path.startswith(("a/", "b/")) else path[2:]


def _effect(name: str, old: str, new: str, hunks: Tuple[Hunk, ...]) -> FileEffect:
    if not hunks:
        raise faults.malformed(name, f"No hunk follows for {new}.")
    if old == NOTHING or new == NOTHING:
        whole = hunks[0]
        if len(hunks) > 1 or (whole.old if old == NOTHING else whole.new):
            raise faults.malformed(name, f"A file that is made or removed has one hunk with one side: {old} -> {new}.")
        if old == NOTHING:
            return CreateFile(path=new, text="".join(whole.new))
        return DeleteFile(path=old, text="".join(whole.old))
    if old != new:
        raise faults.malformed(name, f"Renaming is not known: {old} -> {new}.")
    return ReplaceText(path=new, hunks=hunks)


def _hunks(name: str, lines: List[str], at: int) -> Tuple[Tuple[Hunk, ...], int]:
    found: List[Hunk] = []
    while at < len(lines):
        head = _HUNK.match(lines[at])
        if head is None:
            break
        counts = [1 if text is None else int(text) for text in (head[2], head[4])]
        old, new, at = _body(name, lines, at + 1, counts)
        found.append(Hunk(number=len(found) + 1, old_start=int(head[1]), old=tuple(old), new=tuple(new)))
    return tuple(found), at


def _body(name: str, lines: List[str], at: int, counts: List[int]) -> Tuple[List[str], List[str], int]:
    old: List[str] = []
    new: List[str] = []
    while len(old) < counts[0] or len(new) < counts[1]:
        line = lines[at] if at < len(lines) else ""
        sides = {" ": (old, new), "-": (old,), "+": (new,)}.get(line[:1])
        if sides is None:
            raise faults.malformed(name, f"A hunk ends too early, at line {at + 1} of the diff: {line[:60]!r}")
        text = line[1:] + "\n"
        at += 1
        if at < len(lines) and lines[at].startswith(NO_NEWLINE[:2]):
            text = text[:-1]
            at += 1
        for side in sides:
            side.append(text)
    if len(old) != counts[0] or len(new) != counts[1]:
        raise faults.malformed(name, f"A hunk has other line counts than its head says, before line {at + 1}.")
    return old, new, at
