"""Random trees and random patches: applied and taken back, every byte, mode and RECORD line is as it was."""

from __future__ import annotations

import contextlib
import tempfile
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dreamboot import patching
from dreamboot.host.local import LocalHost
from dreamboot.patching import journal
from dreamboot.patching.hunks import apply_hunks, reversed_hunks
from dreamboot.patching.record import edited, entry
from support.faulty_host import FaultyHost, Killed
from support.patch_trees import diff, install, patch_text, tree, true_record

LINE = st.text(alphabet="ab \t\r\\-+@é", max_size=4)
TEXT = st.builds(lambda lines, end: "\n".join(lines) + end, st.lists(LINE, max_size=12), st.sampled_from(("", "\n")))
NAME = st.sampled_from(("thing/a.py", "thing/b, c.txt", "thing/sub/d.py", "thing/sub/é.txt", 'thing/q"uote.py'))
ABSENT = st.none()


@st.composite
def cases(draw: Any) -> Any:
    """(files before, what the patch makes of some of them, context lines of the diff)."""
    before = draw(st.dictionaries(NAME, TEXT, min_size=1))
    after = dict(before)
    for name in draw(st.lists(NAME, min_size=1, unique=True)):
        new = draw(st.one_of(ABSENT, TEXT))
        after.pop(name, None)
        if new is not None:
            after[name] = new
    return before, after, draw(st.integers(0, 3))


def patch_for(before: Any, after: Any, context: int) -> Any:
    body = ""
    for name in sorted({*before, *after}):
        old, new = before.get(name), after.get(name)
        # An empty file has no line to show: a diff can neither make nor remove it.
        if old != new and "" not in (old, new):
            body += diff(name, old, new, context)
        elif old != new:
            after.pop(name, None) if old is None else after.__setitem__(name, old)
    return patching.parse("thing/random", patch_text(body)) if body else None


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(cases(), st.integers(0, 3))
def test_apply_then_revert_is_the_identity(case: Any, mode: int) -> None:
    before, after, context = case
    patch = patch_for(before, after, context)
    if patch is None:
        return
    host = LocalHost()
    with tempfile.TemporaryDirectory() as name:
        site = install(Path(name) / "site", {path: text.encode() for path, text in before.items()})
        for path in before:
            (site / path).chmod((0o644, 0o600, 0o755, 0o444)[mode])
        first = tree(site)
        planned = patching.apply(host, site, [patch], {})
        assert planned.names == ("thing/random",)
        assert not planned.warnings
        assert {path: (site / path).read_bytes().decode() for path in after} == after
        assert not [path for path in before if path not in after and (site / path).exists()]
        assert true_record(site)
        patching.revert(host, site, ["thing/random"])
        assert tree(site) == first


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(cases(), st.data())
def test_killed_after_any_file_operation_it_is_the_old_or_the_new_tree(case: Any, data: Any) -> None:
    """A random tree, a random patch, apply or revert, and the process gone after a random change to the disk."""
    before, after, context = case
    patch = patch_for(before, after, context)
    if patch is None:
        return
    with tempfile.TemporaryDirectory() as name:
        site = install(Path(name) / "site", {path: text.encode() for path, text in before.items()})
        old = without_store(site)
        counting = FaultyHost()
        patching.apply(counting, site, [patch], {})
        new, changes = without_store(site), counting.count
        if data.draw(st.booleans()):
            patching.revert(LocalHost(), site, [patch.name])
        else:
            counting = FaultyHost()
            patching.revert(counting, site, [patch.name])
            changes = counting.count
            patching.apply(LocalHost(), site, [patch], {})
        host = FaultyHost(data.draw(st.integers(0, changes - 1)), killed=True)
        with contextlib.suppress(Killed):
            if without_store(site) == old:
                patching.apply(host, site, [patch], {})
            else:
                patching.revert(host, site, [patch.name])
        journal.recover(LocalHost(), site)
        assert without_store(site) in (old, new)
        patching.apply(LocalHost(), site, [patch], {})
        patching.revert(LocalHost(), site, [patch.name])
        assert tree(site) == old


def without_store(site: Path) -> Any:
    """The tree, less the tool's own notes."""
    return {path: value for path, value in tree(site).items() if not path.startswith(".dreamboot-patches")}


@settings(max_examples=300, deadline=None)
@given(TEXT, TEXT, st.integers(0, 3))
def test_reversed_hunks_undo_hunks(old: str, new: str, context: int) -> None:
    if not old or not new or old == new:
        return
    effect = patching.parse("thing/x", patch_text(diff("thing/a.py", old, new, context))).effects[0]
    assert apply_hunks(old, effect.hunks) == (new, ())
    assert apply_hunks(new, reversed_hunks(effect.hunks)) == (old, ())


@given(st.dictionaries(NAME, st.binary(max_size=9)), st.dictionaries(NAME, st.one_of(ABSENT, st.binary(max_size=9))))
def test_record_lines_of_other_files_keep_their_bytes(files: Any, changed: Any) -> None:
    lines = [entry(path, data) for path, data in files.items()] + ["thing-1.0.dist-info/RECORD,,", ""]
    found = edited("\n".join(lines), changed).split("\n")
    expected = {**files, **changed}
    wanted = {entry(path, data) for path, data in expected.items() if data is not None}
    assert set(found) - {"thing-1.0.dist-info/RECORD,,", ""} == wanted
    kept = [entry(path, data) for path, data in files.items() if path not in changed]
    assert [line for line in found if line in kept] == kept
