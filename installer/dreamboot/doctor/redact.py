"""Takes the home folder, names of people and machines, and tokens out of text that will be pasted in public."""

from __future__ import annotations

import re
from typing import Any, Mapping

_TOKENS = re.compile(
    r"\b(?:hf_[A-Za-z0-9]{8,}|ghp_[A-Za-z0-9]{8,}|github_pat_\w{8,}|sk-[A-Za-z0-9_-]{8,}|glpat-[\w-]{8,}|AKIA[0-9A-Z]{12,})\b"
)
_NAMED = re.compile(
    r"((?:token|password|passwd|api_?key|secret|auth)[\"']?\s*[=:]\s*[\"']?|bearer\s+)([^\s'\"&,]{6,})", re.IGNORECASE
)
_IN_URLS = re.compile(r"(://)[^/@\s]+@")
_HOMES = re.compile(r"(?:/home/|/Users/|[A-Za-z]:[\\/]+Users[\\/]+)([^/\\\s'\"]+)")
# Names that say nothing about a person, and are part of ordinary words.
_COMMON = {"root", "user", "me", "admin", "ubuntu", "runner", "home", "app", "python"}


def redacted(text: str, environ: Mapping[str, str], hostname: str = "") -> str:
    """`text` without what only concerns its author."""
    for name in ("HOME", "USERPROFILE"):
        home = environ.get(name, "")
        if len(home) > 3:
            text = text.replace(home.rstrip("/\\"), "~")
            text = text.replace(home.rstrip("/\\").replace("\\", "\\\\"), "~")
    text = _HOMES.sub("~", text)
    text = _IN_URLS.sub(r"\1***@", text)
    text = _TOKENS.sub("***", text)
    text = _NAMED.sub(r"\1***", text)
    for person in {environ.get(name, "") for name in ("USER", "USERNAME", "LOGNAME")}:
        if len(person) > 2 and person.lower() not in _COMMON:
            text = re.sub(rf"(?<!\w){re.escape(person)}(?!\w)", "<user>", text)
    for machine in {hostname, environ.get("HOSTNAME", ""), environ.get("COMPUTERNAME", "")}:
        if len(machine) > 3 and machine.lower() not in ("localhost", *_COMMON):
            text = re.sub(rf"(?<!\w){re.escape(machine)}(?!\w)", "<host>", text, flags=re.IGNORECASE)
    return text


def redacted_data(data: Any, environ: Mapping[str, str], hostname: str = "") -> Any:
    """The same for every string of a JSON value."""
    if isinstance(data, str):
        return redacted(data, environ, hostname)
    if isinstance(data, Mapping):
        return {key: redacted_data(value, environ, hostname) for key, value in data.items()}
    if isinstance(data, (list, tuple)):
        return [redacted_data(value, environ, hostname) for value in data]
    return data
