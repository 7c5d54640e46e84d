"""accelerate's configuration for one machine, as YAML text. Every key is one that accelerate 1.x knows."""

from __future__ import annotations

from typing import Any, Mapping


def config_text(settings: Mapping[str, Any]) -> str:
    """The configuration file. Plain scalars only, so that no YAML library is needed; strings are quoted."""
    return "".join(f"{key}: {_scalar(item)}\n" for key, item in sorted(settings.items()))


def _scalar(item: Any) -> str:
    if item is None:
        return "null"
    if isinstance(item, bool):
        return "true" if item else "false"
    if isinstance(item, (int, float)):
        return str(item)
    return "'" + str(item).replace("'", "''") + "'"
