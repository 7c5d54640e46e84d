"""Apply and take back patches: everything is planned in memory, then committed as one change."""

from __future__ import annotations

from pathlib import Path
from typing import Dict, List, Optional, Sequence, Tuple

from packaging.specifiers import SpecifierSet

from dreamboot.host import Host
from dreamboot.patching import faults, journal, record, state
from dreamboot.patching.effects import FileEffect, Wheels, effect_on
from dreamboot.patching.journal import Journal, same
from dreamboot.patching.patch import Patch
from dreamboot.patching.site import Distribution, compiled, version_of
from dreamboot.patching.state import Applied, Content, FileChange, State, digest
from dreamboot.values import value


@value
class Planned:
    """What will be done. `already`: patches whose change is in the files. `files`: what changes, for showing."""

    journal: Journal
    names: Tuple[str, ...] = ()
    already: Tuple[str, ...] = ()
    warnings: Tuple[str, ...] = ()
    files: Tuple[FileEffect, ...] = ()
    bodies: Tuple[bytes, ...] = ()


class _Draft:
    """The plan while it grows: contents by path, as they will be."""

    def __init__(self, host: Host, site_packages: Path) -> None:
        self.host = host
        self.site_packages = site_packages
        self.before = state.load(host, site_packages)
        self.applied: Dict[str, Applied] = {entry.name: entry for entry in self.before.applied}
        self.records: Dict[str, FileChange] = {entry.path: entry for entry in self.before.records}
        self.changes: Dict[str, FileChange] = {}
        self.bodies: Dict[str, bytes] = {}
        self.files: List[FileEffect] = []
        self.names: List[str] = []
        self.already: List[str] = []
        self.warnings: List[str] = []
        self.needed: List[str] = []
        self.emptied: List[str] = []

    def keep(self, data: bytes, mode: int) -> Content:
        """Bytes that the journal needs, by their hash."""
        found = Content(sha256=digest(data), mode=mode)
        self.bodies[found.sha256] = data
        return found

    def now(self, path: str) -> Tuple[bytes, int]:
        """What a file holds, with the changes so far."""
        planned = self.changes.get(path)
        if planned is not None and planned.after is not None:
            return self.bodies[planned.after.sha256], planned.after.mode
        return self.host.read_bytes(self.site_packages / path) or b"", (
            self.host.mode_of(self.site_packages / path) or 0o644
        )

    def change(self, change: FileChange) -> None:
        """Note a change; a second one of the same file goes on where the first ended."""
        first = self.changes.get(change.path)
        self.changes[change.path] = (
            change if first is None else FileChange(path=change.path, before=first.before, after=change.after)
        )

    def plan(self) -> Planned:
        """The finished plan."""
        used = {entry.record for entry in self.applied.values()}
        after = State(
            applied=tuple(self.applied.values()),
            records=tuple(entry for path, entry in self.records.items() if path in used),
        )
        changes = tuple(change for change in self.changes.values() if not same(change.before, change.after))
        return Planned(
            journal=Journal(
                changes=changes, before=self.before, after=after, needed=tuple(self.needed), emptied=tuple(self.emptied)
            ),
            names=tuple(self.names), already=tuple(self.already), warnings=tuple(self.warnings),
            files=tuple(self.files), bodies=tuple(self.bodies.values()),
        )  # fmt: skip


def plan_apply(host: Host, site_packages: Path, patches: Sequence[Patch], wheels: Wheels) -> Planned:
    """Plan to apply `patches` in order. `wheels`: sha256 → bytes. Raises `DreambootError` before anything is done."""
    draft = _Draft(host, site_packages)
    for patch in patches:
        _draft_apply(draft, patch, wheels)
    return draft.plan()


def _draft_apply(draft: _Draft, patch: Patch, wheels: Wheels) -> None:
    installed = version_of(draft.host, draft.site_packages, patch.target.distribution)
    if installed is None or not SpecifierSet(patch.target.versions).contains(installed.version, prereleases=True):
        found = installed.version if installed else ""
        raise faults.not_installed(patch.name, patch.target.distribution, patch.target.versions, found)
    known = draft.applied.get(patch.name)
    if known is not None:
        if in_place(draft.host, draft.site_packages, known):
            draft.already.append(patch.name)
            if known.sha256 != patch.sha256:
                draft.warnings.append(f"{patch.name}: an earlier edition is applied; revert it, then apply again")
            return
        del draft.applied[patch.name]  # the distribution was installed again over it
    for path in patch.paths:
        other = next((a.name for a in draft.applied.values() for file in a.files if file.path == path), "")
        if other:
            raise faults.conflict(path, other, patch.name)
    effects = [effect_on(draft.host, draft.site_packages, patch, effect, wheels) for effect in patch.effects]
    draft.warnings += [f"{patch.name}: {effect.path}: {line}" for effect in effects for line in effect.warnings]
    todo = [effect for effect in effects if effect.before != effect.after]
    if not todo:
        draft.already.append(patch.name)
        draft.warnings.append(f"{patch.name}: its change is there already, made by somebody else")
        return
    _draft_files(draft, patch, installed, todo)


def _draft_files(draft: _Draft, patch: Patch, installed: Distribution, todo: Sequence[FileEffect]) -> None:
    files = tuple(
        FileChange(
            path=effect.path,
            before=None if effect.before is None else draft.keep(effect.before, effect.mode),
            after=None if effect.after is None else draft.keep(effect.after, effect.mode),
        )
        for effect in todo
    )
    folders = _missing_folders(draft, [file.path for file in files])
    caches = tuple(
        FileChange(path=path, before=draft.keep(*draft.now(path)))
        for file in files
        for path in compiled(draft.host, draft.site_packages, file.path)
    )
    for change in (*files, *caches):
        draft.change(change)
    _draft_record(draft, installed.record, {effect.path: effect.after for effect in todo})
    draft.needed += folders
    draft.files += todo
    draft.names.append(patch.name)
    draft.applied[patch.name] = Applied(
        name=patch.name, sha256=patch.sha256, distribution=installed.name, version=installed.version,
        record=installed.record, files=files, folders=folders, caches=caches,
    )  # fmt: skip


def _missing_folders(draft: _Draft, paths: Sequence[str]) -> Tuple[str, ...]:
    found: List[str] = []
    for path in paths:
        parts = path.split("/")[:-1]
        for depth in range(1, len(parts) + 1):
            folder = "/".join(parts[:depth])
            missing = not draft.host.is_dir(draft.site_packages / folder)
            if missing and folder not in found and folder not in draft.needed:
                found.append(folder)
    return tuple(found)


def _draft_record(draft: _Draft, path: str, files: Dict[str, Optional[bytes]]) -> None:
    """Keep RECORD true to `files`; one that is not there is not made."""
    if not draft.host.exists(draft.site_packages / path):
        return
    data, mode = draft.now(path)
    new = record.edited(data.decode("utf-8", "surrogateescape"), files).encode("utf-8", "surrogateescape")
    was = draft.keep(data, mode)
    known = draft.records.get(path)
    first = known.before if known is not None and same(known.after, was) else was
    after = draft.keep(new, mode)
    draft.records[path] = FileChange(path=path, before=first, after=after)
    draft.change(FileChange(path=path, before=was, after=after))


def plan_revert(host: Host, site_packages: Path, names: Sequence[str]) -> Planned:
    """Plan to take back `names`, the last applied first. Raises `DreambootError` before anything is done."""
    draft = _Draft(host, site_packages)
    for name in names:
        if name not in draft.applied:
            raise faults.not_applied(name)
    for name in reversed([name for name in draft.applied if name in set(names)]):
        _draft_revert(draft, draft.applied.pop(name))
    return draft.plan()


def _draft_revert(draft: _Draft, entry: Applied) -> None:
    installed = version_of(draft.host, draft.site_packages, entry.distribution)
    upgraded = installed is None or installed.version != entry.version
    back: Dict[str, Optional[bytes]] = {}
    for file in entry.files:
        found = state.content(draft.host, draft.site_packages / file.path)
        if same(found, file.after):
            back[file.path] = _restore(draft, file)
        elif not same(found, file.before) and not upgraded:
            raise faults.changed_since(entry.name, file.path)
        elif upgraded:
            draft.warnings.append(f"{entry.name}: {file.path} came with another version since, and stays as it is")
    if back:
        _restore_caches(draft, entry, upgraded=upgraded)
        _restore_record(draft, entry, back)
    # Python leaves its own folder of compiled files in a folder that we made.
    made = [each for folder in reversed(entry.folders) for each in (f"{folder}/__pycache__", folder)]
    draft.emptied += [folder for folder in made if draft.host.is_dir(draft.site_packages / folder)]
    draft.names.append(entry.name)


def _restore(draft: _Draft, file: FileChange) -> Optional[bytes]:
    after, mode = draft.now(file.path)
    now = None if file.after is None else draft.keep(after, mode)
    old = None if file.before is None else _original(draft, file.before)
    draft.change(FileChange(path=file.path, before=now, after=file.before))
    shown = None if file.after is None else after
    draft.files.append(FileEffect(path=file.path, before=shown, after=old, mode=mode))
    return old


def _original(draft: _Draft, content: Content) -> bytes:
    data = draft.host.read_bytes(state.blob(draft.site_packages, content.sha256))
    if data is None or digest(data) != content.sha256:
        raise faults.interrupted("A kept original is missing or damaged: install the distribution again.")
    draft.bodies[content.sha256] = data
    return data


def _restore_caches(draft: _Draft, entry: Applied, *, upgraded: bool) -> None:
    """Compiled files of the patched text go; those of the original come back."""
    for file in entry.files:
        for path in compiled(draft.host, draft.site_packages, file.path):
            draft.change(FileChange(path=path, before=draft.keep(*draft.now(path))))
    for cache in entry.caches:
        if cache.before is not None and not upgraded:
            _original(draft, cache.before)
            draft.change(FileChange(path=cache.path, after=cache.before))


def _restore_record(draft: _Draft, entry: Applied, back: Dict[str, Optional[bytes]]) -> None:
    """With the last patch of a distribution its RECORD gets its old bytes, else only the lines concerned."""
    known = draft.records.get(entry.record)
    found = state.content(draft.host, draft.site_packages / entry.record)
    last = all(other.record != entry.record for other in draft.applied.values())
    planned = draft.changes.get(entry.record)
    untouched = same(planned.after if planned else found, known.after if known else None)
    if last and known is not None and known.before is not None and untouched and found is not None:
        _original(draft, known.before)
        data, mode = draft.now(entry.record)
        draft.change(FileChange(path=entry.record, before=draft.keep(data, mode), after=known.before))
    else:
        _draft_record(draft, entry.record, back)


def carry_out(host: Host, site_packages: Path, planned: Planned) -> None:
    """Do what was planned. Raises `DreambootError`; see `journal.commit`."""
    if planned.names:
        journal.commit(host, site_packages, planned.journal, {digest(data): data for data in planned.bodies})


def apply(host: Host, site_packages: Path, patches: Sequence[Patch], wheels: Wheels) -> Planned:
    """Apply `patches` as one change: all or none. Applying again changes nothing."""
    journal.recover(host, site_packages)
    planned = plan_apply(host, site_packages, patches, wheels)
    carry_out(host, site_packages, planned)
    return planned


def revert(host: Host, site_packages: Path, names: Sequence[str]) -> Planned:
    """Take `names` back as one change: files, modes and RECORD become what they were."""
    journal.recover(host, site_packages)
    planned = plan_revert(host, site_packages, names)
    carry_out(host, site_packages, planned)
    return planned


def in_place(host: Host, site_packages: Path, entry: Applied) -> bool:
    """Whether every file of an applied patch still holds what the patch put there."""
    return all(same(state.content(host, site_packages / file.path), file.after) for file in entry.files)
