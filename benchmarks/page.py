"""Puts what a benchmark printed into the page that tells of it, between two marks."""

from __future__ import annotations

from pathlib import Path
from typing import Sequence

END = "<!-- end of table -->\n"


def put(page: Path, script: str, lines: Sequence[str]) -> None:
    """Replace what stands between the mark of `script` and the next end mark. ValueError without the marks."""
    begin = f"<!-- table: {script} -->\n"
    text = page.read_text(encoding="utf-8")
    start = text.index(begin) + len(begin)
    end = text.index(END, start)
    page.write_text("\n".join((text[:start], *lines, "", text[end:])), encoding="utf-8")
