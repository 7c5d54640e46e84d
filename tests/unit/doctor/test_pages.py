"""The reference pages are those that the code makes."""

from __future__ import annotations

from pathlib import Path

from dreamboot.doctor.pages import checks_page, explain_page

REFERENCE = Path(__file__).parents[3] / "docs" / "reference"
HINT = "run: python benchmarks/doctor_pages.py"


def test_the_page_of_checks_is_current():
    assert (REFERENCE / "checks.md").read_text(encoding="utf-8") == checks_page(), HINT


def test_the_page_of_symptoms_is_current():
    assert (REFERENCE / "explain.md").read_text(encoding="utf-8") == explain_page(), HINT
