"""The exceptions in a log: where each one's message stands, which came first in a chain, and whose code raised it."""

from __future__ import annotations

import bisect
import re
from typing import List, Tuple

from dreamboot.doctor.symptoms.text import Log
from dreamboot.values import value

_RAISED = re.compile(
    r"^\s{0,12}(?:E\s+)?((?:[A-Za-z_]\w*\.){0,8}[A-Z]\w{0,60}(?:Error|Exception|Interrupt|Exit|Failure|Timeout|Expired|Incomplete))"
    r"(?::|\s*$)"
)
_FRAME = re.compile(r'^\s*(?:File "([^"]{1,300})", line \d+|([A-Za-z]?:?[\w./\\-]{3,300}\.py):\d+ in )')
_CHAIN = ("The above exception was the direct cause", "During handling of the above exception")
# Of thousands the first and the last ones tell the story.
FIRST, LAST = 300, 100
# Who only repeats that something else failed.
WRAPPERS = (
    "CalledProcessError",
    "ChildFailedError",
    "SystemExit",
    "ProcessExitedException",
    "ProcessRaisedException",
    "BrokenPipeError",
)


@value
class Raised:
    """One exception: its name, the squeezed range of its message, the files of its traceback.

    `inner`: a later exception says that it came from this one.
    """

    name: str
    start: int
    end: int
    files: Tuple[str, ...] = ()
    inner: bool = False

    @property
    def wrapper(self) -> bool:
        """True for launchers that only report that a child failed."""
        return self.name.rpartition(".")[2] in WRAPPERS


def exceptions(log: Log) -> Tuple[Raised, ...]:
    """All exceptions in the order of the log."""
    found: List[Tuple[str, int, Tuple[str, ...]]] = []
    borders: List[int] = []
    chained: List[int] = []
    files: List[str] = []
    for number, line in enumerate(log.lines):
        if "Traceback (most recent call last)" in line:
            borders.append(number)
            files = []
            continue
        if line.lstrip().startswith(_CHAIN):
            chained.append(number)
            borders.append(number)
            continue
        frame = _FRAME.match(line)
        if frame:
            files.append(frame.group(1) or frame.group(2))
            continue
        raised = _RAISED.match(line)
        if raised:
            found.append((raised.group(1), number, tuple(files)))
            borders.append(number)
    return tuple(
        _placed(log, item, borders, chained) for item in found[:FIRST] + found[max(FIRST, len(found) - LAST) :]
    )


def _placed(log: Log, item: Tuple[str, int, Tuple[str, ...]], borders: List[int], chained: List[int]) -> Raised:
    name, number, files = item
    place = bisect.bisect_right(borders, number)
    after = borders[place] if place < len(borders) else len(log.lines)
    last = min(after, number + 60)
    end = log.starts[last] if last < len(log.starts) else log.end
    place = bisect.bisect_right(chained, number)
    inner = place < len(chained) and chained[place] <= min(after, number + 60)
    return Raised(name=name, start=log.starts[number], end=end, files=files, inner=inner)
