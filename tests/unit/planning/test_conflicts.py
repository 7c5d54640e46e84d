"""Known conflicts: found by facts, in whole ranges alone, and named for machines."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from dreamboot import catalog
from dreamboot.cli import main
from dreamboot.planning.conflicts import ends, known, named

CATALOG = catalog.load()


@pytest.mark.parametrize(
    ("requirement", "values"),
    [
        ("==0.42.1", ("0.42.1",)),
        ("==2.9.1+cu126", ("2.9.1",)),
        ("", ("0", "99999")),
        (">=5", ("5", "99999")),
        ("<5", ("0", "4.9999")),
        ("<0.37", ("0", "0.36.9999")),
        ("<2.0", ("0", "1.9999")),
        (">=2,<3", ("2", "2.9999")),
        ("~=4.57", ("4.57", "4.9999")),
        ("~=4.57.1", ("4.57.1", "4.57.9999")),
        ("==0.41.*", ("0.41", "0.41.9999")),
        ("<=1.30", ("0", "1.30")),
    ],
)
def test_what_a_requirement_leaves(requirement, values) -> None:
    assert ends({"Huggingface_Hub": requirement}) == {"huggingface-hub": values}


@pytest.mark.parametrize(
    ("setuptools", "conflict"),
    [("==82.0.0", True), (">=82", True), (">=70", False), ("<90", False), ("==81.0", False)],
)
def test_a_range_that_leaves_a_way_is_no_conflict(setuptools, conflict) -> None:
    facts = {**ends({"setuptools": setuptools}), "torch": ("2.12.1",)}
    found = known("pin", facts, CATALOG)
    assert (found is not None) is conflict


def test_one_gpu_without_code_is_enough() -> None:
    facts = {"compute-capability": ("8.6", "12.0"), "cuda": ("12.6",)}
    found = known("compute-capability", facts, CATALOG)
    assert found is not None
    assert found.id == "blackwell-before-cuda-12.8"
    assert known("compute-capability", {**facts, "cuda": ("12.8",)}, CATALOG) is None
    assert known("driver", facts, CATALOG) is None


def test_every_row_of_the_planner_has_its_rule_and_every_name_is_a_row() -> None:
    from dreamboot.planning.companions import all_companions
    from dreamboot.planning.rules import all_rules

    speaks = {rule.id for rule in all_rules()} | {name for name, _ in all_companions()} | {"pin", "interpreter", ""}
    assert {row.rule for row in CATALOG.table("conflicts")} <= speaks
    assert all(named(row.id, CATALOG).packages for row in CATALOG.table("conflicts"))
    with pytest.raises(KeyError):
        named("no-such-conflict", CATALOG)


def test_json_carries_id_packages_and_source(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    stated = tmp_path / "machine.toml"
    stated.write_text('os = "linux"\npython = ["3.12.4"]\n', encoding="utf-8")
    assert main(["plan", "--assume", str(stated), "--pin", "diffusers==0.30.3", "--json"]) == 3
    refused = json.loads(capsys.readouterr().out)
    assert refused["refused"]["id"] == "pin-below-floor"
    found = refused["conflicts"][0]
    assert found["id"] == "diffusers-flax-weights-name"
    assert found["packages"] == ["diffusers", "transformers"]
    assert any("github.com/huggingface/diffusers" in source for source in found["source"])
    stated.write_text('os = "linux"\npython = ["3.12.4"]\ngpu = "RTX 5090"\ndriver = "570.124.06"\n', encoding="utf-8")
    assert main(["plan", "--assume", str(stated), "--json"]) == 0
    rejected = json.loads(capsys.readouterr().out)["rejected"]
    named_ones = {row["conflict"]["id"] for row in rejected if row["conflict"]}
    assert "blackwell-before-cuda-12.8" in named_ones
    assert any(row["conflict"] is None for row in rejected)
