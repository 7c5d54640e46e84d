"""`dreamboot plan` and `dreamboot catalog` as people and programs call them: text, JSON, exit codes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Dict, Tuple

import pytest

from dreamboot.cli import main

MACHINE = (
    'os = "windows 11"\ngpu = "NVIDIA GeForce RTX 5090"\nvram = "32 GiB"\ndriver = "572.61"\npython = ["3.12.4"]\n'
)
PROMISED = {
    "schema", "torch", "python", "packages", "attention", "patches", "environment", "accelerate", "preset", "because",
    "rejected",
}  # fmt: skip


@pytest.fixture()
def stated(tmp_path: Path) -> str:
    path = tmp_path / "machine.toml"
    path.write_text(MACHINE, encoding="utf-8")
    return str(path)


def call(capsys: pytest.CaptureFixture[str], *argv: str) -> Tuple[int, str, str]:
    code = main(list(argv))
    said = capsys.readouterr()
    return code, said.out, said.err


def test_the_promised_json(capsys: pytest.CaptureFixture[str], stated: str) -> None:
    code, out, _ = call(capsys, "plan", "--assume", stated, "--json")
    plan: Dict[str, Any] = json.loads(out)
    assert code == 0
    assert set(plan) >= PROMISED
    assert {name: plan["torch"][name] for name in ("version", "tag", "source")} == {
        "version": "2.11.0", "tag": "cu128", "source": "pytorch-index",
    }  # fmt: skip
    assert plan["packages"]["torch"] == "==2.11.0+cu128"
    assert all(set(choice) == {"topic", "value", "reason"} for choice in plan["because"])
    assert all(set(row) == {"candidate", "reason", "rule", "conflict"} for row in plan["rejected"])


def test_a_refusal_in_json_and_in_words(capsys: pytest.CaptureFixture[str], stated: str) -> None:
    refused = ("plan", "--assume", stated, "--pin", "torch==2.15.0")
    code, out, _ = call(capsys, *refused, "--json")
    assert code == 3
    assert json.loads(out)["refused"]["id"] == "refused-driver"
    code, _, err = call(capsys, *refused)
    assert code == 3
    # "dreamboot" is spelt as the person calls it.
    assert ' plan --pin "torch==2.11.0"' in err


def test_the_table_of_candidates(
    capsys: pytest.CaptureFixture[str], stated: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    code, out, _ = call(capsys, "plan", "--assume", stated, "--explain")
    assert code == 0
    lines = out[out.index("candidate ") :].splitlines()
    assert "2.11.0+cu128" in lines[1]
    assert "taken" in lines[1]
    assert any("driver" in line and "needs driver 580" in line for line in lines)
    assert "does not compute on cuda" in lines[-1]


def test_the_catalog_in_text_and_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert call(capsys, "catalog", "check")[0] == 0
    code, out, _ = call(capsys, "catalog", "show", "cudnn", "--json")
    assert code == 0
    assert json.loads(out)["rows"][0]["oldest_compute_capability"] == "5.0"
    assert "torch" in call(capsys, "catalog", "show")[1]
    code, _, err = call(capsys, "catalog", "show", "gpu")
    assert code == 2
    assert "catalog show gpus" in err
