"""Change many files as one: journal first, then file by file; what was cut short is finished on the next start.

Everything lies beside the packages, in one folder on the same file system, so that the last act on each file is a
rename. Order: contents → journal → files → state → journal away. Cut before the journal: nothing happened. Cut after
it: `recover` finishes. A refusal by the file system turns the journal round and goes back.
"""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import Iterable, Optional, Tuple

from dreamboot.host import Host
from dreamboot.patching import faults, state
from dreamboot.patching.site import STORE
from dreamboot.patching.state import Bodies, Content, FileChange, State
from dreamboot.values import from_json, to_json, value


@value
class Journal:
    """What is being done: files, folders that are needed and that become empty, and the state before and after."""

    changes: Tuple[FileChange, ...]
    before: State
    after: State
    needed: Tuple[str, ...] = ()
    emptied: Tuple[str, ...] = ()

    def turned(self) -> Journal:
        """The journal of the way back."""
        back = tuple(FileChange(path=c.path, before=c.after, after=c.before) for c in reversed(self.changes))
        return Journal(
            changes=back, before=self.after, after=self.before,
            needed=self.emptied, emptied=tuple(reversed(self.needed)),
        )  # fmt: skip


def commit(host: Host, site_packages: Path, journal: Journal, bodies: Bodies) -> None:
    """Carry out `journal`; `bodies` holds every content that its changes name.

    Raises `DreambootError`: everything is as before, or (patch-half-done) the next call goes on.
    """
    try:
        for sha256, data in bodies.items():
            host.write_bytes(state.blob(site_packages, sha256), data)
        _write(host, site_packages, journal)
    except OSError as error:
        _try_to_tidy(host, site_packages, journal.before)
        raise faults.not_written(str(error)) from error
    try:
        _finish(host, site_packages, journal)
    except OSError as error:
        back = journal.turned()
        try:
            _write(host, site_packages, back)
            _finish(host, site_packages, back)
        except OSError as again:
            raise faults.interrupted(str(again)) from again
        _try_to_tidy(host, site_packages, journal.before)
        raise faults.not_written(str(error)) from error
    _try_to_tidy(host, site_packages, journal.after)


def pending(host: Host, site_packages: Path) -> bool:
    """Whether an earlier change was cut short."""
    return host.exists(_path(site_packages))


def recover(host: Host, site_packages: Path) -> bool:
    """Finish what was cut short; True when there was something. Raises `DreambootError` when that fails."""
    if not host.exists(site_packages / STORE):
        return False
    text = host.read_text(_path(site_packages))
    try:
        if text is None:
            _tidy(host, site_packages, state.load(host, site_packages))
            return False
        unfinished = from_json(Journal, json.loads(text))
        _finish(host, site_packages, unfinished)
        _tidy(host, site_packages, unfinished.after)
    except (OSError, ValueError) as error:
        raise faults.interrupted(str(error)) from error
    return True


def _path(site_packages: Path) -> Path:
    return site_packages / STORE / "journal.json"


def _write(host: Host, site_packages: Path, journal: Journal) -> None:
    host.write_text(_path(site_packages), json.dumps(to_json(journal), indent=1) + "\n")


def _finish(host: Host, site_packages: Path, journal: Journal) -> None:
    """Bring every file to its last content. Doing it again changes nothing."""
    for folder in journal.needed:
        host.make_dir(site_packages / folder)
    for change in journal.changes:
        found = state.content(host, site_packages / change.path)
        # A content that is neither the old nor the new one is somebody else's work since: it stays.
        if not same(found, change.after) and same(found, change.before):
            _place(host, site_packages, change)
    for folder in journal.emptied:
        if host.is_dir(site_packages / folder) and not host.list_dir(site_packages / folder):
            host.remove(site_packages / folder)
    if journal.after.applied:
        host.write_text(site_packages / STORE / "state.json", state.spelt(journal.after))
    else:
        host.remove(site_packages / STORE / "state.json")
    host.remove(_path(site_packages))


def same(one: Optional[Content], other: Optional[Content]) -> bool:
    """Whether both are the same bytes, or both no file. Modes do not count: Windows keeps one bit of them."""
    return (one.sha256 if one else "") == (other.sha256 if other else "")


def _place(host: Host, site_packages: Path, change: FileChange) -> None:
    target = site_packages / change.path
    if change.after is None:
        host.remove(target)
        return
    data = host.read_bytes(state.blob(site_packages, change.after.sha256))
    if data is None:
        raise FileNotFoundError(2, "a kept content is missing", change.path)
    staged = site_packages / STORE / "staged"
    host.write_bytes(staged, data, mode=change.after.mode)
    host.move(staged, target)


def _try_to_tidy(host: Host, site_packages: Path, after: State) -> None:
    """The change itself is complete: what can't be tidied now is on the next start."""
    with contextlib.suppress(OSError):
        _tidy(host, site_packages, after)


def _tidy(host: Host, site_packages: Path, after: State) -> None:
    """Keep only the originals that `after` needs to go back; with nothing applied, keep nothing."""
    store = site_packages / STORE
    if not after.applied:
        host.remove(store)
        return
    kept = {entry.before.sha256 for entry in _entries(after) if entry.before}
    for name in host.list_dir(store / "blobs"):
        if name not in kept:
            host.remove(store / "blobs" / name)
    for name in host.list_dir(store):
        if name not in ("blobs", "state.json"):
            host.remove(store / name)


def _entries(after: State) -> Iterable[FileChange]:
    for applied in after.applied:
        yield from applied.files
        yield from applied.caches
    yield from after.records
