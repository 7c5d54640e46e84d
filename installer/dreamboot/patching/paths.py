"""Which paths a patch may name: relative, forward slashes, never upwards."""

from __future__ import annotations

import re
from pathlib import PurePosixPath

# Names that mean a device on Windows, whatever their ending ("Naming Files, Paths, and Namespaces", Microsoft Learn).
_DEVICES = re.compile(r"(?i)(con|prn|aux|nul|com\d|lpt\d)(\.|$)")


def safe(path: str) -> bool:
    """Whether `path` stays below the folder that it is taken from, on every platform."""
    if not path or "\\" in path or ":" in path or path.startswith("/") or "\0" in path:
        return False
    parts = PurePosixPath(path).parts
    plain = "/".join(parts) == path
    return plain and not any(part in ("..", ".") or _DEVICES.match(part) for part in parts)
