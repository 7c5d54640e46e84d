"""Each fault in a small real environment: its cause is named, nothing else is red; safe ones are mended and proven."""

from __future__ import annotations

import faults_small
import pytest
from faults_settings import leftover
from world import bad

pytestmark = pytest.mark.real


@pytest.mark.parametrize("fault", faults_small.FAULTS, ids=lambda fault: fault.__name__)
def test_the_cause_is_named_and_nothing_else(small, fault):
    before = bad(small.doctor())
    assert before == {}, "the environment was not healthy before it was broken"
    fault(small)
    name, status = faults_small.FAULTS[fault]
    told = small.doctor()
    assert bad(told) == {name: status}
    assert told["exit"] == (1 if status == "error" else 0)
    finding = next(one for one in told["findings"] if one["id"] == name)
    assert finding["problem"]["what"]
    assert finding["problem"]["cause"]
    assert finding["fix"]


@pytest.mark.parametrize("fault", faults_small.MENDED, ids=lambda fault: fault.__name__)
def test_fix_mends_it_and_undo_brings_it_back(small, fault):
    fault(small)
    name, _ = faults_small.FAULTS[fault]
    fixed = small.doctor("--fix", "--yes")
    assert bad(fixed) == {}
    assert [(one["id"], one["done"], one["proven"]) for one in fixed["fixed"]] == [(name, True, True)]
    small.doctor("--undo", "--yes")
    assert name in bad(small.doctor())


def test_a_dry_run_changes_nothing(small):
    leftover(small)
    told = small.doctor("--fix", "--dry-run")
    assert told["fixed"][0]["done"] is False
    assert (small.site / "~orch-2.1.0.dist-info").exists()


def test_without_consent_nothing_is_changed(small):
    leftover(small)
    told = small.doctor("--fix")
    assert told["fixed"][0]["done"] is False
    assert (small.site / "~orch-2.1.0.dist-info").exists()


HEALTHY = {
    "RTX 4090 runs sm_86 code": ("2.11.0+cu126", ("NVIDIA GeForce RTX 4090", "8.9")),
    "GTX 1080 on cu126": ("2.11.0+cu126", ("NVIDIA GeForce GTX 1080", "6.1")),
    "V100 on cu126": ("2.11.0+cu126", ("Tesla V100-SXM2-16GB", "7.0")),
    "RTX 5090 on cu128": ("2.8.0+cu128", ("NVIDIA GeForce RTX 5090", "12.0")),
    "driver 525 reaches all of CUDA 12": ("2.11.0+cu126", ("NVIDIA GeForce RTX 3060", "8.6", "nvidia", "525.60.13")),
    "the CPU build without a GPU": ("2.11.0+cpu", None),
    "a CUDA build without a GPU": ("2.11.0+cu126", None),
    "an integrated GPU beside an NVIDIA one": ("2.11.0+cu126", ("NVIDIA GeForce RTX 3060", "8.6")),
}


@pytest.mark.parametrize("name", HEALTHY)
def test_what_only_looks_odd_stays_green(small, name):
    version, gpu = HEALTHY[name]
    small.stub("torch", version)
    small.stub("numpy", "2.2.0")
    if gpu:
        small.gpu(*gpu)
    if "integrated" in name:
        small.machine["gpus"].append({"vendor": "intel", "name": "UHD Graphics 770", "integrated": True})
    assert bad(small.doctor()) == {}


def test_a_trainers_folder_stands_for_its_environment(small):
    small.stub("torch", "2.6.0+cpu")
    small.target = small.root
    told = small.doctor()
    assert told["python"]["path"] == str(small.python)
    assert told["python"]["torch"] == "2.6.0+cpu"
