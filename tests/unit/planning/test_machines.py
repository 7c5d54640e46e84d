"""Every stated machine gets the plan, or the refusal, that is written beside it."""

from __future__ import annotations

import pytest

from dreamboot import catalog, planning
from dreamboot.model import Plan
from machines import Case, cases, differences

CASES = tuple(cases())


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_stated_machine(case: Case) -> None:
    decision = planning.plan(case.machine, case.wish, catalog.load())
    found = differences(decision, case.expect)
    wrong = [f"{key}: expected {wanted!r}, found {got!r}" for key, wanted, got in found]
    assert not wrong, "\n".join(wrong)


def test_there_are_enough_of_them_and_names_are_unique() -> None:
    assert len(CASES) >= 120
    assert len({case.name for case in CASES}) == len(CASES)


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_every_decision_explains_itself(case: Case) -> None:
    decision = planning.plan(case.machine, case.wish, catalog.load())
    if isinstance(decision, Plan):
        assert all(choice.reason for choice in decision.because)
        assert {"device", "torch", "source", "python", "attention", "mixed_precision"} <= {
            choice.topic for choice in decision.because
        }
    else:
        assert decision.problem.what
        assert decision.problem.cause
        assert decision.problem.hint
    assert all(row.reason and row.rule for row in decision.rejected)
