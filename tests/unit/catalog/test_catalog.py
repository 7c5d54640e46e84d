"""The catalog: every row has a source and fits its table; contradictions are found; questions are answered."""

from __future__ import annotations

import copy
import json
from typing import Any, Dict

import pytest

from dreamboot import catalog
from dreamboot.catalog import Catalog
from dreamboot.catalog.check import contradictions
from dreamboot.catalog.loading import FOLDER, TABLES, BadRowError, read, typed


@pytest.mark.parametrize("table", sorted(TABLES))
def test_every_row_has_a_source_and_fits_its_class(table: str) -> None:
    rows = typed(table, read(table))
    assert rows
    assert all(row.source and all(source.strip() for source in row.source) for row in rows)


def test_every_data_file_is_a_table_and_the_other_way_round() -> None:
    assert {path.stem for path in FOLDER.glob("*.json")} == set(TABLES)


@pytest.mark.parametrize("table", sorted(TABLES))
@pytest.mark.parametrize("source", [None, [], [""], "a string", [3]])
def test_a_row_without_a_source_is_refused(table: str, source: Any) -> None:
    data: Dict[str, Any] = copy.deepcopy(dict(read(table)))
    data["rows"][-1].pop("source")
    if source is not None:
        data["rows"][-1]["source"] = source
    with pytest.raises(BadRowError, match=rf"{table}\.json, row {len(data['rows'])} .*no source"):
        typed(table, data)


def test_a_misspelt_or_missing_field_is_refused() -> None:
    data: Dict[str, Any] = copy.deepcopy(dict(read("gpus")))
    data["rows"][0]["compute_capabilty"] = data["rows"][0].pop("compute_capability")
    with pytest.raises(BadRowError, match="unknown fields compute_capabilty"):
        typed("gpus", data)
    data["rows"][0].pop("compute_capabilty")
    with pytest.raises(BadRowError, match="missing fields compute_capability"):
        typed("gpus", data)


def test_the_shipped_catalog_does_not_contradict_itself() -> None:
    assert contradictions(catalog.load()) == ()


def changed(table: str, change: Any) -> Catalog:
    data: Dict[str, Any] = copy.deepcopy(dict(read(table)))
    change(data)
    return Catalog({table: data})


def _new_release_without_code(data: Dict[str, Any]) -> None:
    row = copy.deepcopy(data["rows"][-1])
    row.update(torch="2.16.0", index={"linux-x86_64": ["cu134"]}, default={})
    data["rows"].append(row)


def _gpu_of_another_generation(data: Dict[str, Any]) -> None:
    next(row for row in data["rows"] if row["name"] == "GeForce RTX 4090")["compute_capability"] = "8.6"


def _second_row(data: Dict[str, Any]) -> None:
    data["rows"].append(data["rows"][0])


def _minimum_of_its_own(data: Dict[str, Any]) -> None:
    next(row for row in data["rows"] if row["cuda"] == "12.4")["minimum_linux"] = "550"


def _override_across_families(data: Dict[str, Any]) -> None:
    row = next(row for row in data["rows"] if row["gfx"] == "gfx1010")
    row.update(override="10.3.0", override_gfx="gfx1030")


def _overlap(data: Dict[str, Any]) -> None:
    row = copy.deepcopy(next(row for row in data["rows"] if row["tag"] == "cu126"))
    row["code"] = ["9.0"]
    data["rows"].append(row)


def _source_that_is_not_listed(data: Dict[str, Any]) -> None:
    data["rows"][0]["source"] = ["hear-say"]


def _stack_below_a_floor(data: Dict[str, Any]) -> None:
    data["rows"][0]["packages"]["diffusers"] = "==0.36.0"


def _stack_with_both_sides(data: Dict[str, Any]) -> None:
    data["rows"][0]["packages"].update(transformers="==5.23.0", huggingface_hub="==1.30.0")


def _range_that_nobody_can_read(data: Dict[str, Any]) -> None:
    next(row for row in data["rows"] if row.get("holds"))["holds"]["torch"] = "about 2"


def _second_floor(data: Dict[str, Any]) -> None:
    data["rows"].append(data["rows"][0])


@pytest.mark.parametrize(
    ("table", "change", "what"),
    [
        ("torch", _new_release_without_code, "cu134 for linux-x86_64 has no row in architectures"),
        ("gpus", _gpu_of_another_generation, "8.6, but its family"),
        ("gpus", _second_row, "two rows"),
        ("cuda", _minimum_of_its_own, "is not ('525.60.13', '528.33')"),
        ("amd", _override_across_families, "of another family"),
        ("architectures", _overlap, "overlap and differ"),
        ("stacks", _stack_below_a_floor, "below the floor 0.37"),
        ("stacks", _stack_with_both_sides, "both sides of transformers-5.23-hub-1.31"),
        ("conflicts", _range_that_nobody_can_read, "about 2 can't be read"),
        ("floors", _second_floor, "two rows"),
        ("torch", _source_that_is_not_listed, "'hear-say' is not listed"),
    ],
)
def test_a_contradiction_is_found(table: str, change: Any, what: str) -> None:
    found = contradictions(changed(table, change))
    assert any(what in item.what for item in found), found


def test_a_new_gpu_is_one_row() -> None:
    from dreamboot import planning
    from dreamboot.machine.stated import state_machine
    from dreamboot.model import Plan, Wish

    machine = state_machine({"os": "linux", "gpu": "NVIDIA GeForce RTX 6090", "driver": "620.10", "python": ["3.12.1"]})
    assert not isinstance(planning.plan(machine, Wish(), catalog.load()), Plan)

    def add(data: Dict[str, Any]) -> None:
        row = {"name": "GeForce RTX 6090", "compute_capability": "12.3", "architecture": "Next", "source": ["test"]}
        data["rows"].append(row)

    plan = planning.plan(machine, Wish(), changed("gpus", add))
    assert isinstance(plan, Plan)
    assert plan.torch.tag == "cu132"


def test_a_new_release_is_one_row_and_its_architectures() -> None:
    from dreamboot import planning
    from dreamboot.machine.stated import state_machine
    from dreamboot.model import Plan, Wish

    torch: Dict[str, Any] = copy.deepcopy(dict(read("torch")))
    architectures: Dict[str, Any] = copy.deepcopy(dict(read("architectures")))
    row = copy.deepcopy(torch["rows"][-1])
    row.update(torch="2.16.0", default={"linux-x86_64": "cu132"}, index={"linux-x86_64": ["cu132", "cpu"]})
    torch["rows"].append(row)
    architectures["rows"].append(
        {"tag": "cu132", "first": "2.16.0", "last": "2.16.0", "platforms": ["linux-x86_64"], "code": ["8.0", "9.0"],
         "ptx": [], "source": ["test"]}
    )  # fmt: skip
    machine = state_machine({"os": "linux", "gpu": "RTX 3090", "driver": "610.43.02", "python": ["3.12.1"]})
    plan = planning.plan(machine, Wish(), Catalog({"torch": torch, "architectures": architectures}))
    assert isinstance(plan, Plan)
    assert (plan.torch.version, plan.torch.tag) == ("2.16.0", "cu132")


def test_data_files_are_readable_line_by_line() -> None:
    for name in TABLES:
        text = (FOLDER / f"{name}.json").read_text(encoding="utf-8")
        rows = json.loads(text)["rows"]
        assert sum(line.startswith("  {") for line in text.splitlines()) == len(rows), name
