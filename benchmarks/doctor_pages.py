"""Writes docs/reference/checks.md and explain.md from the code."""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "installer"))

from dreamboot.doctor.pages import checks_page, explain_page  # noqa: E402

if __name__ == "__main__":
    (ROOT / "docs/reference/checks.md").write_text(checks_page(), encoding="utf-8")
    (ROOT / "docs/reference/explain.md").write_text(explain_page(), encoding="utf-8")
