"""The Windows registry through `reg query`, whose output has the same shape in every language."""

from __future__ import annotations

import re
from typing import Dict

from dreamboot.machine.asking import Asking

_VALUE = r"^\s{2,}(?P<name>.*?)\s{2,}REG_(?P<type>[A-Z_]+)(?:\s{2,}(?P<data>.*))?$"


def query(asking: Asking, key: str, *options: str) -> str:
    """The text of `reg query KEY OPTIONS`, "" when the key does not exist."""
    answer = asking.run("reg", "query", key, *options, timeout=3.0)
    return answer.stdout if answer.ok else ""


def parse_registry(text: str) -> Dict[str, Dict[str, str]]:
    """Key path → value name → data as printed ("0x1" for numbers); the default value's name is ""."""
    keys: Dict[str, Dict[str, str]] = {}
    current: Dict[str, str] = {}
    for line in text.splitlines():
        line = line.rstrip()
        if line.startswith("HKEY_"):
            current = keys.setdefault(line, {})
            continue
        match = re.match(_VALUE, line)
        if match and keys:
            name = match.group("name")
            current["" if name.startswith("(") and name.endswith(")") else name] = (match.group("data") or "").strip()
    return keys
