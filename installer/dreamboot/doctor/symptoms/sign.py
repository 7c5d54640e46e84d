"""The small language of signs: literal text, a few placeholders, no regular expressions by hand.

A sign is compared without any white space and without regard to case, so a message is found however it was wrapped.

    ...           up to 300 other characters
    <a|b>         one of these
    {name}        a token (no quotes, brackets, commas), kept under that name; {name:int} digits; {name:ver} a version;
                  {name:any} up to 200 characters of anything; {name:list} versions with commas between
    ^ at the start, $ at the end: only at the start or end of a line

Every piece is bounded, so no log can make matching slow.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import List, NamedTuple, Pattern, Tuple

_PIECES = re.compile(r"(\.\.\.|<[^<>]*\|[^<>]*>|\{\w+(?::\w+)?\})")
_KINDS = {
    "": r"[^'\"<>(),;\[\]`]{1,120}",
    "int": r"\d{1,12}",
    "ver": r"\d[\w.+!-]{0,40}",
    "any": r".{1,200}",
    "list": r"[\w.+,!-]{1,6000}",
}


class Sign(NamedTuple):
    """A compiled sign; `anchor` is a literal that every match holds, `leading` tells that matches start with it."""

    anchor: str
    leading: bool
    pattern: Pattern[str]
    line_start: bool
    line_end: bool


@lru_cache(maxsize=4096)
def compile_sign(text: str) -> Sign:
    """Raises `ValueError` for a sign without a literal of at least three characters: it would be found everywhere."""
    line_start, line_end = text.startswith("^"), text.endswith("$")
    body = text[1 if line_start else 0 : len(text) - 1 if line_end else len(text)]
    pieces = [piece for piece in _PIECES.split(body) if piece]
    literals: List[Tuple[int, str]] = []
    parts: List[str] = []
    for number, piece in enumerate(pieces):
        if _PIECES.fullmatch(piece):
            parts.append(_special(piece, last=number == len(pieces) - 1))
            continue
        literal = squeeze(piece)
        if literal:
            literals.append((len(parts), literal))
            parts.append(re.escape(literal))
    if not literals or max(len(literal) for _, literal in literals) < 3:
        raise ValueError(f"the sign {text!r} holds no literal that could be looked for")
    # A match that starts with its anchor can be tried at once; else the longest literal is the rarest.
    place, anchor = literals[0] if literals[0][0] == 0 and len(literals[0][1]) >= 5 else max(literals, key=_length)
    return Sign(anchor, place == 0, re.compile("".join(parts), re.DOTALL), line_start, line_end)


def squeeze(text: str) -> str:
    """Without white space, in lower case."""
    return "".join(text.split()).lower()


def _length(place_and_literal: Tuple[int, str]) -> int:
    return len(place_and_literal[1])


def _special(piece: str, *, last: bool) -> str:
    if piece == "...":
        return ".{0,300}?"
    if piece.startswith("<"):
        return "(?:" + "|".join(re.escape(squeeze(word)) for word in piece[1:-1].split("|")) + ")"
    name, _, kind = piece[1:-1].partition(":")
    return f"(?P<{name}>{_KINDS[kind]}{'' if last else '?'})"
