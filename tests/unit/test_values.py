"""Nouns: frozen, by keyword, and the same after a round trip through JSON."""

from __future__ import annotations

import dataclasses
import json

import pytest

from dreamboot.model import Gpu, Machine, Plan, SourceKind, TorchBuild, Vendor
from dreamboot.values import canonical, from_json, to_json

MACHINE = Machine(
    os="linux",
    gpus=(Gpu(vendor=Vendor.NVIDIA, name="RTX 4090", vram_total_mib=24564, compute_capability="8.9"),),
    environment={"LANG": "C"},
)
PLAN = Plan(python="3.11", torch=TorchBuild(version="2.13.0", tag="cpu", source=SourceKind.FIND_LINKS))


@pytest.mark.parametrize("item", [MACHINE, PLAN])
def test_json_round_trip(item):
    assert from_json(type(item), json.loads(json.dumps(to_json(item)))) == item


def test_they_can_not_be_changed():
    with pytest.raises(dataclasses.FrozenInstanceError):
        MACHINE.os = "windows"


def test_an_unknown_field_is_named():
    with pytest.raises(ValueError, match="oss"):
        from_json(Machine, {"os": "linux", "oss": 1})


def test_equal_values_have_one_spelling():
    assert canonical({"b": 1, "a": (1, 2)}) == canonical({"a": [1, 2], "b": 1}) == '{"a":[1,2],"b":1}'


def test_a_plan_is_known_by_what_it_builds():
    other = dataclasses.replace(PLAN, warnings=("w",))
    assert other.id == PLAN.id
    assert dataclasses.replace(PLAN, python="3.12").id != PLAN.id
