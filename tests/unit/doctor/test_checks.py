"""The contract of every check: why it exists, examples that it answers rightly, needs that are checks."""

from __future__ import annotations

import pytest

from dreamboot.doctor.areas import AREAS
from dreamboot.doctor.check import Check, ok
from dreamboot.doctor.examine import checks, examine, in_order, run_one
from dreamboot.doctor.facts.values import Facts, Target, Torch
from dreamboot.model import Status

ALL = checks()


@pytest.mark.parametrize("check", ALL, ids=lambda check: check.id)
def test_its_examples(check):
    for number, case in enumerate(check.examples):
        outcome = run_one(check, case.facts)
        assert outcome.status is case.expect, f"example {number}: {outcome}"
        assert outcome.evidence
        if outcome.status in (Status.ERROR, Status.WARNING):
            assert outcome.what.endswith("."), outcome.what
            assert outcome.cause
            assert outcome.fix, "what is wrong needs a way out"


@pytest.mark.parametrize("check", ALL, ids=lambda check: check.id)
def test_it_says_why_and_shows_good_and_bad(check):
    assert check.area in AREAS
    assert check.why.endswith(".")
    statuses = {case.expect for case in check.examples}
    assert statuses & {Status.OK, Status.INFO}, "no example of a healthy environment"
    assert statuses & {Status.ERROR, Status.WARNING, Status.INFO}, "no example of what it finds"


def test_every_area_has_a_check_or_a_symptom():
    from dreamboot.doctor.symptoms import symptoms

    assert {check.area for check in ALL} | {symptom.area for symptom in symptoms()} == set(AREAS)


def test_needs_come_before_those_who_need_them():
    order = [check.id for check in ALL]
    for check in ALL:
        for need in check.requires:
            assert order.index(need) < order.index(check.id)


def _check(name, *needs, run=lambda facts: ok("x")):
    return Check(id=name, area="driver", why="Why.", run=run, examples=(), requires=needs)


def test_a_circle_of_needs_is_refused():
    with pytest.raises(ValueError, match="circle"):
        in_order({"a": _check("a", "b"), "b": _check("b", "a")})
    with pytest.raises(ValueError, match="no check"):
        in_order({"a": _check("a", "b")})


def test_an_empty_machine_is_never_red():
    findings = examine(Facts(target=Target(python="/v/bin/python", version="3.11.7")))
    assert not [one for one in findings if one.status in (Status.ERROR, Status.CRASHED)]


def test_what_follows_from_a_cause_is_skipped():
    broken = Facts(target=Target(python="/v/bin/python", version="3.11.7"), torch=Torch(site="/v"))
    findings = {one.id: one for one in examine(broken)}
    assert findings["torch-found"].status is Status.ERROR
    assert [one.id for one in findings.values() if one.status is Status.ERROR] == ["torch-found"]


def test_a_crashing_check_is_a_row(monkeypatch):
    from dreamboot.doctor import examine as module

    def crash(_facts):
        raise RuntimeError("boom")

    monkeypatch.setattr(module, "checks", lambda: (_check("crashes", run=crash), _check("needs-it", "crashes")))
    found = {one.id: one for one in module.examine(Facts())}
    assert found["crashes"].status is Status.CRASHED
    assert "boom" in found["crashes"].evidence
    assert found["needs-it"].status is Status.SKIPPED
