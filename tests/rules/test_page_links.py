"""Every page's links lead somewhere, and every page lies in the folder of its kind."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_to_files(page: Path) -> None:
    targets = re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8"))
    assert [to for to in targets if not to.startswith("http") and not (page.parent / to).exists()] == []


def test_only_what_was_shown_lies_loose() -> None:
    assert [page.name for page in (ROOT / "docs").glob("*.md")] == ["verified.md"]
