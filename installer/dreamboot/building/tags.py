"""Which wheel of a package an interpreter takes: PEP 425 tags, best first."""

from __future__ import annotations

from typing import Dict, Iterable, Sequence, Tuple

from packaging import tags
from packaging.utils import InvalidWheelFilename, parse_wheel_filename


def supported_tags(python: str) -> Dict[tags.Tag, int]:
    """The tags that CPython `python` ("3.11") takes on this machine, each with its rank (0 is best)."""
    version: Tuple[int, ...] = tuple(int(part) for part in python.split(".")[:2])
    platforms = list(tags.platform_tags())
    ranked: Iterable[tags.Tag] = (
        *tags.cpython_tags(python_version=version, platforms=platforms),
        *tags.compatible_tags(python_version=version, interpreter=f"cp{version[0]}{version[1]}", platforms=platforms),
    )
    return {tag: rank for rank, tag in reversed(list(enumerate(ranked)))}


def best_wheel(names: Sequence[str], supported: Dict[tags.Tag, int]) -> int:
    """Index of the file name that ranks best; -1 when none fits."""
    best, best_rank = -1, len(supported)
    for index, name in enumerate(names):
        try:
            _, _, _, wheel_tags = parse_wheel_filename(name)
        except InvalidWheelFilename:
            continue
        rank = min((supported[tag] for tag in wheel_tags if tag in supported), default=len(supported))
        if rank < best_rank:
            best, best_rank = index, rank
    return best
