"""The planner's table of peaks is what the trainer's predictor says now: a script writes it, and it can grow old."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import pytest

from dreamboot import catalog

pytest.importorskip("torch")
pytest.importorskip("diffusers")
pytestmark = pytest.mark.real
SCRIPT = Path(__file__).resolve().parents[3] / "benchmarks" / "memory_table.py"


def script() -> Any:
    spec = importlib.util.spec_from_file_location("memory_table", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_a_row_is_predicted_as_it_is_written() -> None:
    """One of the quick ones; the predictor's own arithmetic may move by a percent without harm to a plan."""
    wanted = next(
        row for row in catalog.load().table("memory")
        if (row.family, row.method, row.optimizer, row.checkpointing) == ("sd1", "full", "adamw8bit", False)
        and row.mixed_precision == "fp16"
    )  # fmt: skip
    found = script().row("sd1", "full", "adamw8bit", "fp16", checkpointing=False)
    assert found["peak_mib"] == pytest.approx(wanted.peak_mib, rel=0.02), "python benchmarks/memory_table.py --write"


def test_every_row_is_one_that_the_script_writes() -> None:
    rows = catalog.load().table("memory")
    families = script().RESOLUTIONS
    assert {row.family for row in rows} == set(families)
    assert all(row.resolution == families[row.family] for row in rows)
