"""One value of the configuration: from a text, and as TOML."""

from __future__ import annotations

import json
from typing import Any

from dreamboot_trainer.config import Key


def toml_value(value: Any) -> str:
    """One value as TOML (JSON's spelling of strings, numbers, lists and booleans is valid TOML)."""
    if isinstance(value, (tuple, list)):
        return "[" + ", ".join(toml_value(item) for item in value) + "]"
    return json.dumps(value, ensure_ascii=False, default=str)


def parse_value(key: Key, text: str) -> Any:
    """The value that `text` (from a command line) means for `key`; the text itself where it means none."""
    if key.type == "bool":
        return {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}.get(text.lower(), text)
    if key.type in {"int", "float"}:
        for kind in (int, float):
            try:
                return kind(text)
            except ValueError:
                continue
        return text
    if key.type.startswith("tuple[str"):
        try:
            parsed = json.loads(text)
        except ValueError:
            return [text]
        return parsed if isinstance(parsed, list) else [text]
    return text
