"""Patch files that are not right are refused with the reason; nothing is guessed."""

from __future__ import annotations

import pytest

from dreamboot import patching
from dreamboot.model import DreambootError
from dreamboot.patching.paths import safe
from support.patch_trees import diff, patch_text

BODY = diff("thing/a.py", "one\n", "two\n")
HASH = "a" * 64


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"\xff\xfe", "not UTF-8"),
        (b"Description: x\nApplies-To: thing\n", "No line --- ends"),
        (b"Applies-To: thing\n---\n" + BODY.encode(), "no Description"),
        (b"Description: x\n---\n" + BODY.encode(), "no Applies-To"),
        (b" floating\nDescription: x\n---\n", "begins with a continuation"),
        (patch_text(BODY, head="Surprise: yes\n"), "unknown field: Surprise"),
        (patch_text(BODY, head="Verify: 1\nVerify: 2\n"), "two fields Verify"),
        (patch_text(BODY, target="thing == one"), "Not a requirement"),
        (patch_text(BODY, target="thing; amiga"), "Unknown condition 'amiga'"),
        (patch_text(BODY, head="File-Hash: thing/a.py md5:1\n"), "Expected sha256:"),
        (patch_text(BODY, head="File-Hash: thing/a.py\n"), "Expected 2 words"),
        (patch_text(BODY, head=f"Copy: other==1:x.dll sha256:{HASH} thing/x.dll\n"), "which no Fetch names"),
        (patch_text(""), "changes nothing"),
        (patch_text(BODY + BODY), "changes thing/a.py twice"),
        (patch_text(diff("../a.py", "one\n", "two\n")), "leads out of the environment"),
        (patch_text("stray\n"), "belongs to nothing"),
        (patch_text("--- a/x\n"), "No +++ line"),
        (patch_text("--- a/x\n+++ b/x\n"), "No hunk follows"),
        (patch_text("--- a/x\n+++ b/y\n@@ -1 +1 @@\n-1\n+2\n"), "Renaming is not known"),
        (patch_text("--- a/x\n+++ b/x\n@@ -1,2 +1 @@\n-1\n+2\n"), "ends too early"),
        (patch_text("--- a/x\n+++ b/x\n@@ -1,2 +1 @@\n-1\n+2\n+3\n-4\n"), "other line counts"),
        (patch_text("--- /dev/null\n+++ b/x\n@@ -1 +1 @@\n-1\n+2\n"), "one hunk with one side"),
    ],
)
def test_what_is_wrong_is_named(data: bytes, said: str) -> None:
    with pytest.raises(DreambootError) as caught:
        patching.parse("thing/x", data)
    assert said in caught.value.problem.cause
    assert caught.value.problem.id == "patch-malformed"


def test_a_checkout_that_turned_line_ends_is_read_alike() -> None:
    data = patch_text(BODY)
    assert patching.parse("thing/x", data.replace(b"\n", b"\r\n")) == patching.parse("thing/x", data)


@pytest.mark.parametrize(
    "path", ["", "/a", "../a", "a/../b", "a\\b", "c:/a", "a//b", "./a", "a/", "aux.py", "x/NUL", "a\0b"]
)
def test_paths_that_lead_elsewhere(path: str) -> None:
    assert not safe(path)
    assert safe("thing/sub/a.py")
