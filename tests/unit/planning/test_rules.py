"""The rules as a set: found by themselves, documented, and each one able to reject."""

from __future__ import annotations

import re
from pathlib import Path

from dreamboot import catalog, planning
from dreamboot.model import Wish
from dreamboot.planning.companions import all_companions
from dreamboot.planning.rules import Way, all_rules
from machines import cases

ROOT = Path(__file__).resolve().parents[3]


def test_every_file_is_a_rule_with_its_own_id_and_reason() -> None:
    rules = all_rules()
    files = {path.stem for path in (ROOT / "installer/dreamboot/planning/rules").glob("*.py")} - {"__init__"}
    assert len(rules) == len(files)
    assert len({rule.id for rule in rules}) == len(rules)
    assert all(rule.why.endswith((".", "/")) for rule in rules)


def test_every_rule_is_in_the_documentation() -> None:
    text = (ROOT / "docs/reference/plan.md").read_text(encoding="utf-8")
    assert set(re.findall(r"^\| `([a-z-]+)` \|", text, re.MULTILINE)) == {rule.id for rule in all_rules()}


def test_every_table_is_in_the_documentation() -> None:
    from dreamboot.catalog.loading import TABLES

    text = (ROOT / "docs/reference/catalog.md").read_text(encoding="utf-8")
    rows = [line for line in text.splitlines() if line.startswith("| `")]
    assert {name for line in rows for name in re.findall(r"`([a-z_]+)`", line.split("|")[1])} == set(TABLES)


def test_the_order_is_compute_capability_before_driver_before_wishes() -> None:
    order = [rule.id for rule in all_rules()]
    assert order.index("compute-capability") < order.index("driver") < order.index("python") < order.index("pin")


def test_each_rule_rejects_a_candidate_of_some_stated_machine() -> None:
    seen = set()
    for case in cases():
        decision = planning.plan(case.machine, case.wish, catalog.load())
        seen |= {row.rule for row in decision.rejected}
    # An Intel GPU that its release does not know yet: the catalog's first release is the oldest candidate's.
    assert {rule.id for rule in all_rules()} - seen <= {"xpu"}


def test_the_easiest_way_comes_first() -> None:
    assert Way.ARGUMENT < Way.CONFIGURATION < Way.PYTHON < Way.SOURCE < Way.DRIVER < Way.SYSTEM < Way.TRAINER < Way.NONE


def test_companions_are_found_by_themselves() -> None:
    assert {name for name, _ in all_companions()} == {
        "bitsandbytes", "numpy", "torchaudio", "torchvision", "triton", "xformers",
    }  # fmt: skip


def test_a_pin_that_is_no_requirement_is_a_problem_not_a_crash() -> None:
    case = next(cases())
    decision = planning.plan(case.machine, Wish(pins=("torch = 2.11",)), catalog.load())
    assert decision.problem.id == "pin-unreadable"
    assert "==" in decision.problem.hint
