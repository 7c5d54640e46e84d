"""The engine: apply, apply again, take back, refuse; faults and kills at every single change."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Tuple

import pytest

from dreamboot import patching
from dreamboot.host.local import LocalHost
from dreamboot.model import DreambootError
from dreamboot.patching import journal
from support.faulty_host import FaultyHost, Killed
from support.patch_trees import diff, install, patch_text, sha256, tree, true_record, wheel

HOST = LocalHost()
OLD = "".join(f"line {number}\n" for number in range(1, 30))
NEW = OLD.replace("line 5\n", "line five\nand more\n").replace("line 25\n", "")
MEMBER = b"MZ\0\1\2"
WHEEL = wheel({"other/lib.dll": MEMBER})
FILES = {"thing/a.py": OLD.encode(), "thing/gone.txt": b"old\n", "thing/keep.py": b"x = 1\n"}


def everything() -> patching.Patch:
    """One patch with every kind of effect."""
    head = (
        f"Fetch: other==1 sha256:{sha256(WHEEL)}\n"
        f"Copy: other==1:other/lib.dll sha256:{sha256(MEMBER)} thing/lib.dll\n"
        f"File-Hash: thing/a.py sha256:{sha256(OLD.encode())}\n"
    )
    body = diff("thing/a.py", OLD, NEW) + diff("thing/gone.txt", "old\n", None)
    body += diff("thing/new/deep.py", None, "y = 2")
    return patching.parse("thing/everything", patch_text(body, head=head))


WHEELS = {sha256(WHEEL): WHEEL}


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """An installed distribution; one file is executable, one has a compiled form."""
    folder = install(tmp_path / "site", FILES)
    (folder / "thing/a.py").chmod(0o755)
    (folder / "thing/__pycache__").mkdir()
    (folder / "thing/__pycache__/a.cpython-38.pyc").write_bytes(b"stale")
    return folder


def problem_of(call: Any) -> str:
    with pytest.raises(DreambootError) as caught:
        call()
    assert caught.value.problem.what and caught.value.problem.cause and caught.value.problem.hint
    return caught.value.problem.id


def test_apply_changes_exactly_what_it_says(site: Path) -> None:
    planned = patching.apply(HOST, site, [everything()], WHEELS)
    assert planned.names == ("thing/everything",)
    assert (site / "thing/a.py").read_text() == NEW
    assert (site / "thing/a.py").stat().st_mode & 0o777 == 0o755
    assert (site / "thing/lib.dll").read_bytes() == MEMBER
    assert (site / "thing/new/deep.py").read_text() == "y = 2"
    assert not (site / "thing/gone.txt").exists()
    assert not (site / "thing/__pycache__/a.cpython-38.pyc").exists()
    assert true_record(site)


def test_hard_links_of_a_shared_cache_are_not_written_through(site: Path, tmp_path: Path) -> None:
    os.link(site / "thing/a.py", tmp_path / "cache.py")
    patching.apply(HOST, site, [everything()], WHEELS)
    assert (tmp_path / "cache.py").read_text() == OLD


def test_taken_back_everything_is_as_it_was(site: Path) -> None:
    before = tree(site)
    patching.apply(HOST, site, [everything()], WHEELS)
    (site / "thing/new/__pycache__").mkdir()
    (site / "thing/new/__pycache__/deep.cpython-38.pyc").write_bytes(b"made by an import")
    patching.revert(HOST, site, ["thing/everything"])
    assert tree(site) == before


def test_applying_again_changes_nothing(site: Path) -> None:
    patching.apply(HOST, site, [everything()], WHEELS)
    before = tree(site)
    counting = FaultyHost()
    assert patching.apply(counting, site, [everything()], WHEELS).already == ("thing/everything",)
    assert tree(site) == before


def test_a_change_made_by_hand_is_recognised(site: Path) -> None:
    (site / "thing/a.py").write_text(NEW)
    head = f"File-Hash: thing/a.py sha256:{sha256(OLD.encode())}\n"
    for header in (head, ""):
        patch = patching.parse("thing/text", patch_text(diff("thing/a.py", OLD, NEW), head=header))
        planned = patching.apply(HOST, site, [patch], {})
        assert (planned.names, planned.already) == ((), ("thing/text",))
    assert problem_of(lambda: patching.revert(HOST, site, ["thing/text"])) == "patch-not-applied"


def test_moved_lines_are_found_and_said(site: Path) -> None:
    (site / "thing/a.py").write_text("# a new first line\n" + OLD)
    patch = patching.parse("thing/text", patch_text(diff("thing/a.py", OLD, NEW)))
    planned = patching.apply(HOST, site, [patch], {})
    assert (site / "thing/a.py").read_text() == "# a new first line\n" + NEW
    assert [line.split("thing/a.py: ")[1] for line in planned.warnings] == [
        "hunk 1 was found +1 lines from where it was expected",
        "hunk 2 was found +1 lines from where it was expected",
    ]


def refusals() -> Tuple[Any, ...]:
    """(what is done to the tree, patches, wheels, the problem's id)."""
    text = diff("thing/a.py", OLD, NEW)
    plain = patching.parse("thing/plain", patch_text(text))
    other = patching.parse("thing/other", patch_text(diff("thing/a.py", OLD, OLD + "more\n")))
    newer = patching.parse("thing/newer", patch_text(text, target="thing >=2"))
    fresh = patching.parse("thing/fresh", patch_text(diff("thing/keep.py", None, "z\n")))
    lost = patching.parse("thing/lost", patch_text(diff("thing/gone.txt", "other\n", None)))
    return (
        ("thing/a.py", [everything()], WHEELS, "patch-unknown-file"),
        ("thing/a.py", [plain], {}, "patch-does-not-fit"),
        ("", [plain, other], {}, "patches-conflict"),
        ("", [newer], {}, "patch-not-for-this"),
        ("", [fresh], {}, "patch-file-exists"),
        ("", [lost], {}, "patch-unknown-file"),
        ("", [everything()], {}, "patch-wheel-missing"),
        ("", [everything()], {sha256(WHEEL): WHEEL + b"x"}, "patch-wheel-wrong"),
    )


@pytest.mark.parametrize("number", range(len(refusals())))
def test_what_does_not_fit_is_refused_before_the_first_byte(site: Path, number: int) -> None:
    spoilt, patches, wheels, expected = refusals()[number]
    if spoilt:
        (site / spoilt).write_text(OLD.replace("line 24\n", "something else\n").replace("line 6\n", "else\n"))
    before = tree(site)
    host = FaultyHost()
    assert problem_of(lambda: patching.apply(host, site, patches, wheels)) == expected
    assert (tree(site), host.count) == (before, 0)


def test_a_second_patch_on_an_applied_file_is_refused(site: Path) -> None:
    patching.apply(HOST, site, [patching.parse("thing/one", patch_text(diff("thing/a.py", OLD, NEW)))], {})
    two = patching.parse("thing/two", patch_text(diff("thing/a.py", NEW, OLD)))
    assert problem_of(lambda: patching.apply(HOST, site, [two], {})) == "patches-conflict"


def test_a_link_out_of_the_environment_is_not_followed(site: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (site / "thing/link").symlink_to(tmp_path / "elsewhere")
    patch = patching.parse("thing/out", patch_text(diff("thing/link/x.py", None, "x\n")))
    assert problem_of(lambda: patching.apply(HOST, site, [patch], {})) == "patch-leaves-environment"


def test_somebody_elses_change_is_not_overwritten(site: Path) -> None:
    patching.apply(HOST, site, [everything()], WHEELS)
    (site / "thing/a.py").write_text("mine\n")
    assert problem_of(lambda: patching.revert(HOST, site, ["thing/everything"])) == "patched-file-changed"
    assert (site / "thing/a.py").read_text() == "mine\n"


def test_an_upgrade_is_recognised_and_left_alone(site: Path) -> None:
    patching.apply(HOST, site, [everything()], WHEELS)
    for path in (site / "thing-1.0.dist-info").iterdir():
        path.unlink()
    (site / "thing-1.0.dist-info").rmdir()
    install(site, {**FILES, "thing/a.py": b"version two\n"}, version="2.0")
    planned = patching.revert(HOST, site, ["thing/everything"])
    assert any("thing/a.py came with another version" in line for line in planned.warnings)
    assert (site / "thing/a.py").read_bytes() == b"version two\n"
    assert not (site / "thing/lib.dll").exists()  # ours, and nobody else's
    assert not (site / ".dreamboot-patches").exists()


def test_a_reinstalled_distribution_is_patched_again(site: Path) -> None:
    patching.apply(HOST, site, [everything()], WHEELS)
    (site / "thing/lib.dll").unlink()
    (site / "thing/new/deep.py").unlink()
    install(site, FILES)
    assert patching.apply(HOST, site, [everything()], WHEELS).names == ("thing/everything",)
    assert (site / "thing/a.py").read_text() == NEW


def two_patches() -> Tuple[patching.Patch, ...]:
    body = diff("thing/keep.py", "x = 1\n", "x = 2\n")
    return everything(), patching.parse("thing/second", patch_text(body))


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_two_patches_come_off_in_any_order(site: Path, order: Tuple[int, int]) -> None:
    before = tree(site)
    patches = two_patches()
    patching.apply(HOST, site, patches, WHEELS)
    for number in order:
        assert true_record(site)
        patching.revert(HOST, site, [patches[number].name])
    assert tree(site) == before


def without_store(folder: Path) -> Any:
    return {path: value for path, value in tree(folder).items() if not path.startswith(".dreamboot-patches")}


def applied_tree(folder: Path) -> Tuple[Any, int]:
    """The new tree, and how many changes it takes."""
    host = FaultyHost()
    patching.apply(host, folder, two_patches(), WHEELS)
    return without_store(folder), host.count


@pytest.mark.parametrize("way", ["apply", "revert"])
@pytest.mark.parametrize("killed", [True, False])
def test_a_fault_at_every_single_change_leaves_the_old_or_the_new_tree(site: Path, way: str, killed: bool) -> None:
    """Killed at change n, the next start finishes or undoes; a refusal by the file system is undone at once."""
    start = without_store(site)
    end, changes = applied_tree(site)
    names = [patch.name for patch in two_patches()]
    if way == "revert":
        start, end = end, start
        counting = FaultyHost()
        patching.revert(counting, site, names)
        changes = counting.count
        patching.apply(HOST, site, two_patches(), WHEELS)
    else:
        patching.revert(HOST, site, names)
    assert changes > 15
    seen = set()
    for at in range(changes):
        host = FaultyHost(at, killed=killed)
        try:
            patching.apply(host, site, two_patches(), WHEELS) if way == "apply" else patching.revert(host, site, names)
        except (Killed, DreambootError):
            if not killed and not journal.pending(HOST, site):
                assert without_store(site) in (start, end)
        journal.recover(HOST, site)
        assert not journal.pending(HOST, site)
        now = without_store(site)
        assert now in (start, end), f"neither tree after a fault at change {at}"
        seen.add(now == end)
        # Back to the start of the next round, by the tool's own means: its records must fit the tree.
        if now == end:
            patching.revert(HOST, site, names) if way == "apply" else patching.apply(HOST, site, two_patches(), WHEELS)
        assert without_store(site) == start
        assert (site / ".dreamboot-patches").exists() == (way == "revert")
    assert seen == ({True, False} if killed else seen)
