"""Amounts of memory as people and tools write them, in MiB."""

from __future__ import annotations

import re
from typing import Optional, Union

# Makers give VRAM in GB and mean GiB ("24 GB" of an RTX 4090 are 24564 MiB): both spellings are taken as binary.
_UNITS = {"": 0.0, "b": 1 / 1024**2, "k": 1 / 1024, "m": 1.0, "g": 1024.0, "t": 1024.0**2}
# A bare number up to this is meant in GB (no card has 1024 GB, none that matters has less than 1024 MiB).
LARGEST_BARE_GB = 1024


def mebibytes(value: Union[str, float, None]) -> Optional[int]:
    """ "12 GB", "12288 MiB", 12 (GB) or 12288 (MiB) → MiB; None for what is no amount ("[N/A]")."""
    if isinstance(value, bool) or value is None:
        return None
    if isinstance(value, (int, float)):
        return _bare(float(value))
    match = re.fullmatch(r"\s*(\d{1,15}(?:\.\d{1,6})?)\s*(?:([kmgt])(?:i?b(?:ytes?)?)?|(b|bytes?))?\s*", value, re.I)
    if match is None:
        return None
    number, unit = float(match.group(1)), (match.group(2) or (match.group(3) or "")[:1]).lower()
    return int(number * _UNITS[unit]) if unit else _bare(number)


def _bare(number: float) -> Optional[int]:
    if number < 0 or number != number or number == float("inf"):
        return None
    return int(number * 1024) if number <= LARGEST_BARE_GB else int(number)
