"""What was changed in one site-packages folder: hashes and modes before and after, originals by their hash."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Mapping, Optional, Tuple

from dreamboot.host import Host
from dreamboot.patching import faults
from dreamboot.patching.site import STORE
from dreamboot.values import from_json, to_json, value

SCHEMA = 1


@value
class Content:
    """A file's bytes by their sha256, and its permission bits."""

    sha256: str
    mode: int


@value
class FileChange:
    """One file of an applied patch; None: there was, or is, no such file."""

    path: str
    before: Optional[Content] = None
    after: Optional[Content] = None


@value
class Applied:
    """One applied patch. `folders`: those that it made. `caches`: .pyc files that it put aside."""

    name: str
    sha256: str
    distribution: str
    version: str
    record: str
    files: Tuple[FileChange, ...]
    folders: Tuple[str, ...] = ()
    caches: Tuple[FileChange, ...] = ()


@value
class State:
    """Everything applied here. `records`: each touched RECORD before the first patch and after the last."""

    schema: int = SCHEMA
    applied: Tuple[Applied, ...] = ()
    records: Tuple[FileChange, ...] = ()

    def find(self, name: str) -> Optional[Applied]:
        """The applied patch of that name."""
        return next((entry for entry in self.applied if entry.name == name), None)

    def owner(self, path: str) -> str:
        """The name of the applied patch that changed `path`, "" where none did."""
        return next((a.name for a in self.applied for file in a.files if file.path == path), "")

    def record(self, path: str) -> Optional[FileChange]:
        """What is known of a RECORD."""
        return next((entry for entry in self.records if entry.path == path), None)


def load(host: Host, site_packages: Path) -> State:
    """The state of a folder; an empty one where nothing was ever applied. Raises `DreambootError` when unreadable."""
    text = host.read_text(site_packages / STORE / "state.json")
    if text is None:
        return State()
    try:
        return from_json(State, json.loads(text))
    except ValueError as error:
        raise faults.malformed("state.json", str(error)) from error


def spelt(state: State) -> str:
    """The state as it is stored."""
    return json.dumps(to_json(state), indent=1) + "\n"


def blob(site_packages: Path, sha256: str) -> Path:
    """Where the bytes of that hash are kept."""
    return site_packages / STORE / "blobs" / sha256


def content(host: Host, path: Path) -> Optional[Content]:
    """What a file holds now."""
    data = host.read_bytes(path)
    return None if data is None else Content(sha256=digest(data), mode=host.mode_of(path) or 0o644)


def digest(data: bytes) -> str:
    """sha256, in hexadecimal."""
    return hashlib.sha256(data).hexdigest()


Bodies = Mapping[str, bytes]
