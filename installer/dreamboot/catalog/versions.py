"""Versions of drivers, CUDA and GPUs as tuples of numbers: small, fast, and ordered as people mean it."""

from __future__ import annotations

import functools
import re
from typing import Tuple

Numbers = Tuple[int, ...]


@functools.lru_cache(maxsize=4096)
def numbers(text: str) -> Numbers:
    """ "525.60.13" → (525, 60, 13); letters end it ("3.14t" → (3, 14)); "" → ()."""
    found = re.match(r"\d+(?:\.\d+)*", text.strip())
    return tuple(int(part) for part in found.group(0).split(".")) if found else ()


def at_least(have: str, need: str) -> bool:
    """Whether version `have` reaches `need`; missing parts count as zero ("580" reaches "580.0")."""
    left, right = numbers(have), numbers(need)
    width = max(len(left), len(right))
    return left + (0,) * (width - len(left)) >= right + (0,) * (width - len(right))


def cuda_of(tag: str) -> str:
    """ "cu126" → "12.6", "cu102" → "10.2"; "" for other tags."""
    digits = tag[2:] if tag.startswith("cu") and tag[2:].isdigit() else ""
    return f"{digits[:-1]}.{digits[-1]}" if digits else ""
