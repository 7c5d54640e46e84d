"""Hunks on text: forward and back. Lines must match exactly; only their place may have moved, which is said. Pure."""

from __future__ import annotations

from typing import List, Optional, Sequence, Tuple

from dreamboot.patching.patch import Hunk


class Miss(Exception):  # noqa: N818 - the caller turns it into a problem that names the patch
    """The lines of this hunk are not in the text."""

    def __init__(self, hunk: Hunk) -> None:
        super().__init__(hunk.number)
        self.hunk = hunk


def lines_of(text: str) -> List[str]:
    """The lines with their ends; only a line feed ends a line."""
    lines = [line + "\n" for line in text.split("\n")]
    last = lines.pop()[:-1]
    return [*lines, last] if last else lines


def apply_hunks(text: str, hunks: Sequence[Hunk]) -> Tuple[str, Tuple[str, ...]]:
    """(new text, one warning per hunk that was found elsewhere than stated). Raises `Miss`."""
    lines = lines_of(text)
    result: List[str] = []
    warnings: List[str] = []
    taken, shift = 0, 0
    for hunk in hunks:
        stated = hunk.old_start - 1 + (0 if hunk.old else 1)
        at = _find(lines, hunk.old, stated + shift, taken)
        if at is None:
            raise Miss(hunk)
        if at != stated:
            warnings.append(f"hunk {hunk.number} was found {at - stated:+d} lines from where it was expected")
        shift = at - stated
        result += [*lines[taken:at], *hunk.new]
        taken = at + len(hunk.old)
    return "".join([*result, *lines[taken:]]), tuple(warnings)


def reversed_hunks(hunks: Sequence[Hunk]) -> Tuple[Hunk, ...]:
    """The hunks that undo these."""
    found = []
    grown = 0
    for hunk in hunks:
        # A side without lines is counted from the line before it, so a hunk between kinds moves by one.
        start = hunk.old_start + grown + (0 if hunk.old else 1) - (0 if hunk.new else 1)
        found.append(Hunk(number=hunk.number, old_start=start, old=hunk.new, new=hunk.old))
        grown += len(hunk.new) - len(hunk.old)
    return tuple(found)


def _find(lines: Sequence[str], wanted: Sequence[str], stated: int, first: int) -> Optional[int]:
    """Where `wanted` begins: at `stated`, else the nearest place from line `first` on."""
    last = len(lines) - len(wanted)
    places = range(first, last + 1)
    if stated in places and list(lines[stated : stated + len(wanted)]) == list(wanted):
        return stated
    if not wanted:
        return None
    fitting = [at for at in places if lines[at] == wanted[0] and list(lines[at : at + len(wanted)]) == list(wanted)]
    return min(fitting, key=lambda at: abs(at - stated), default=None)
