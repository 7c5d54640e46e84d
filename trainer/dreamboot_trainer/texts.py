"""Texts that no file of a run could hold, and paths that no system looks up: a reason, before they are used."""

from __future__ import annotations

from pathlib import Path


def unusable(text: str, *, path: bool = False) -> str:
    """Why this is no text in UTF-8 (the bytes of a command line need not be), or no `path`; "" where it is one."""
    try:
        text.encode()
        if path:
            Path(text).expanduser().lstat()
    except FileNotFoundError:
        return ""  # told better, or made, by whoever needs it
    except (OSError, ValueError, RuntimeError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        return f"{text[:80]!a}: {reason}"
    return ""
