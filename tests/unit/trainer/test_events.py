"""What is read from a run's events, also where somebody else has written into them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from dreamboot_trainer.events import OVER, EventLog, failed_since, started_over_since
from dreamboot_trainer.problems import Problem

STRANGE = ("", "{", "[1]", "null", '{"time": "noon"}', '{"event": "failed", "time": null}', '{"data": [1], "time": 9}')


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A file with strange lines in it."""
    found = tmp_path / "events.jsonl"
    found.write_text("\n".join(STRANGE))
    return found


def written(path: Path, **data: bool) -> float:
    """Write a line and a failure; when the first of them was."""
    log = EventLog(path)
    log.line("train", "a line", **data)
    log.failed("train", Problem(id="a", what="b", cause="c", hint="d"))
    log.close()
    return float(json.loads(path.read_text().splitlines()[-2])["time"])


def test_a_start_is_found_from_its_moment_on(path: Path) -> None:
    assert not started_over_since(path, 1.0)
    moment = written(path, **{OVER: True})
    assert started_over_since(path, moment)
    assert not started_over_since(path, moment + 1)
    assert not started_over_since(path.with_name("none"), 1.0)


def test_a_failure_is_found_from_its_moment_on(path: Path) -> None:
    assert not failed_since(path, 1.0)
    moment = written(path)
    assert failed_since(path, moment)
    assert not failed_since(path, moment + 1)
    assert not started_over_since(path, 1.0)
