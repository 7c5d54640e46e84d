"""The known cases: each is recognised by a check, a symptom or both, and its log is answered in its area."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from dreamboot.doctor.examine import checks
from dreamboot.doctor.symptoms import examine, symptoms

CASES = json.loads(Path(__file__).with_name("cases.json").read_text(encoding="utf-8"))
# What such a log alone says of the cause: nothing, and then nothing may be claimed.
SILENT = {"acc-calledprocesserror", "dt-bf16-unsupported", "bnb-env-noise"}


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["id"])
def test_somebody_recognises_it(case):
    by_check = {check.id for check in checks() if case["id"] in check.cases}
    by_symptom = {symptom.id for symptom in symptoms() if case["id"] in symptom.cases}
    assert by_check == set(case["checks"])
    assert by_symptom == set(case["symptoms"])
    assert by_check or by_symptom or case["id"] in SILENT


@pytest.mark.parametrize("case", [case for case in CASES if case["log"]], ids=lambda case: case["id"])
def test_its_log_is_answered(case):
    causes = examine(case["log"]).causes
    if case["id"] in SILENT:
        assert not causes
        return
    assert causes[0].area == case["area"]
    assert causes[0].id in case["symptoms"]


VARIANTS = json.loads(Path(__file__).with_name("variants.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("variant", VARIANTS, ids=lambda variant: variant["log"][:50].replace("\n", " "))
def test_messages_in_todays_wording(variant):
    """Other messages of the same kinds, in the current wording of the real projects; an area of null: no answer."""
    causes = examine(variant["log"]).causes
    assert (causes[0].area if causes else None) == variant["area"]
