"""Writes docs/reference/other-trainers.md from the trainer's tables of other trainers' flags."""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "trainer"))

from dreamboot_trainer.other_trainers.page import page  # noqa: E402

if __name__ == "__main__":
    (ROOT / "docs/reference/other-trainers.md").write_text(page(), encoding="utf-8")
