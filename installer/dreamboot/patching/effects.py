"""Effects on real files, in memory: what each file of a patch holds before and after. Nothing is written here."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path
from typing import Mapping, Optional, Tuple

from dreamboot.host import Host
from dreamboot.patching import faults
from dreamboot.patching.hunks import Miss, apply_hunks, reversed_hunks
from dreamboot.patching.patch import CopyFromWheel, CreateFile, DeleteFile, Effect, Patch, ReplaceText
from dreamboot.patching.state import digest
from dreamboot.values import value

Wheels = Mapping[str, bytes]


@value
class FileEffect:
    """One file: its bytes before and after (None: no file). Equal: the change is already there."""

    path: str
    before: Optional[bytes]
    after: Optional[bytes]
    mode: int = 0o644
    warnings: Tuple[str, ...] = ()


def effect_on(host: Host, site_packages: Path, patch: Patch, effect: Effect, wheels: Wheels) -> FileEffect:
    """What `effect` does here. Raises `DreambootError` when the file is not as the patch needs it."""
    path = site_packages / effect.path
    if host.real_path(path) != host.real_path(path.parent) / path.name or not _below(host, path, site_packages):
        raise faults.outside(patch.name, effect.path)
    before = host.read_bytes(path)
    mode = host.mode_of(path) or 0o644
    warnings: Tuple[str, ...] = ()
    if isinstance(effect, ReplaceText):
        after, warnings = _replaced(patch, effect, before)
    elif isinstance(effect, DeleteFile):
        after = None
        if before is not None and before != effect.text.encode("utf-8"):
            raise faults.unknown_file(patch.name, effect.path, digest(effect.text.encode()), digest(before))
    else:
        new = _text_or_member(patch, effect, wheels)
        if before is not None and before != new:
            raise faults.in_the_way(patch.name, effect.path)
        after = new
    return FileEffect(path=effect.path, before=before, after=after, mode=mode, warnings=warnings)


def _below(host: Host, path: Path, site_packages: Path) -> bool:
    return host.real_path(site_packages) in host.real_path(path).parents


def _text_or_member(patch: Patch, effect: Effect, wheels: Wheels) -> bytes:
    if isinstance(effect, CreateFile):
        return effect.text.encode("utf-8")
    if isinstance(effect, CopyFromWheel):
        return _member(patch, effect, wheels)
    raise TypeError(effect)


def _replaced(patch: Patch, effect: ReplaceText, before: Optional[bytes]) -> Tuple[bytes, Tuple[str, ...]]:
    """The patched text; the text itself where the patch is in it already."""
    wanted = patch.hashes.get(effect.path, "")
    if before is None:
        raise faults.unknown_file(patch.name, effect.path, wanted or "of any text", "")
    text = before.decode("utf-8", "surrogateescape")
    if not wanted or digest(before) == wanted:
        try:
            new, warnings = apply_hunks(text, effect.hunks)
            return new.encode("utf-8", "surrogateescape"), warnings
        except Miss as miss:
            if _original(effect, text) is None:
                raise faults.hunk_misses(patch.name, effect.path, miss.hunk.number, miss.hunk.old) from miss
            return before, ()
    original = _original(effect, text)
    if original is None or digest(original) != wanted:
        raise faults.unknown_file(patch.name, effect.path, wanted, digest(before))
    return before, ()


def _original(effect: ReplaceText, text: str) -> Optional[bytes]:
    """What a file held that has this patch in it; None when it has not."""
    try:
        return apply_hunks(text, reversed_hunks(effect.hunks))[0].encode("utf-8", "surrogateescape")
    except Miss:
        return None


def _member(patch: Patch, effect: CopyFromWheel, wheels: Wheels) -> bytes:
    pinned = next(wheel for wheel in patch.wheels if wheel.requirement == effect.wheel)
    data = wheels.get(pinned.sha256)
    if data is None:
        raise faults.wheel_missing(patch.name, pinned.requirement, pinned.sha256)
    if digest(data) != pinned.sha256:
        raise faults.wheel_wrong(patch.name, pinned.requirement, pinned.sha256, digest(data))
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            member = archive.read(effect.member)
    except (KeyError, zipfile.BadZipFile) as error:
        raise faults.wheel_wrong(patch.name, effect.member, effect.sha256, str(error)) from error
    if digest(member) != effect.sha256:
        raise faults.wheel_wrong(patch.name, effect.member, effect.sha256, digest(member))
    return member
